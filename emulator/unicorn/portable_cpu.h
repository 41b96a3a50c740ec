// The portable engine: libunicorn's public API. CPU state is copied out and in (uc_context), a
// block hook counts and is the only place that stops, and stores into code are seen because each
// 512 KiB granule that holds code has a hook that never fires but keeps its stores on the checked
// path.
//
// Of the library's own functions it replaces only those that a guest could notice
// (interpose_shared.cc). Where they cannot be replaced (`engine.library_tlb` says so) two gaps
// stay:
// - What a guest can tell from Accessed bits. The library reads ahead into the next page when it
//   translates, and its TLB is not that of guest_tlb.h.
// - A bit test of a register with a LOCK prefix, which is refused by a CPU, ends the process
//   (decode.h, refused_opcode).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>

#include "emulator/unicorn/block_memo.h"
#include "emulator/unicorn/unicorn_cpu.h"

struct uc_tb;

namespace ftvm::unicorn {

class PortableCpu final : public UnicornCpu {
 public:
  PortableCpu(GuestMemory& memory, CpuBus& bus) : UnicornCpu(memory, bus, nullptr) {}
  ~PortableCpu() override;
  Status create(const CpuOptions& options) { return open(options); }
  [[nodiscard]] std::string engine_name() const override { return "portable"; }

 private:
  RawState pull() const override;
  void push() override;
  [[nodiscard]] std::uint64_t full_rflags() const override;
  void drop_translations(GuestPhys page) override;
  void granule_added(std::uint64_t granule) override;
  void write_debug_control(std::uint64_t dr7) override;
  /// A view of scratch_, which it fills.
  RawState copy_state();
  Status attach_engine() override;

  /// While it lives the library works for the engine alone: no guest sees what its TLB does.
  class PrivateUse {
   public:
    explicit PrivateUse(PortableCpu& cpu) : cpu_(cpu), outer_(cpu.shows_tlb_) {
      cpu.shows_tlb_ = false;
    }
    ~PrivateUse() { cpu_.shows_tlb_ = outer_; }
    PrivateUse(const PrivateUse&) = delete;
    PrivateUse& operator=(const PrivateUse&) = delete;

   private:
    PortableCpu& cpu_;
    bool outer_;
  };

  struct Special {
    bool stepped = false;
    std::optional<std::uint64_t> rep_at;  // It ends with a REP behind other instructions.
  };

  Status calibrate();
  void share_interposition();
  void on_block(std::uint64_t pc, std::uint32_t size_bytes);
  void note_translation(std::uint64_t begin, std::uint32_t size_bytes);
  void note_special(RawState state, std::uint64_t begin, std::uint32_t size_bytes);
  void meet_block(std::uint64_t pc, std::uint32_t size_bytes);
  bool meet_special(const Special& special);
  std::optional<uc_tb> ask(std::uint64_t pc);
  unsigned count_block(std::uint64_t pc, std::uint32_t size_bytes);
  bool was_abandoned(std::uint64_t pc, unsigned instructions, bool fresh);
  void redo_from(std::uint64_t pc);
  [[nodiscard]] bool has_pushed_return(RawState state, std::uint64_t pc, ByteView call) const;
  void count(std::uint64_t pc, std::uint32_t size_bytes, unsigned instructions);

  static void block_hook(uc_struct* uc, std::uint64_t pc, std::uint32_t size_bytes, void* user);
  static void translation_hook(uc_struct* uc, uc_tb* block, uc_tb* previous, void* user);

  uc_context* context_ = nullptr;
  uc_context* scratch_ = nullptr;  // For drop_translations().
  std::uint8_t* state_ = nullptr;  // Inside context_.
  Block block_;
  bool primed_ = false;    // The library tells of every translation but the first.
  bool fresh_ = false;     // The next block was translated just now.
  bool one_shot_ = false;  // The block that begins is not the usual one at its place.
  bool redone_ = false;    // The current block is what an abandoned one goes on with.
  /// An instruction that was found to, since the last translation: iterations of a REP are many.
  std::optional<std::uint64_t> leads_to_itself_;
  /// Of blocks that need more than being counted, by where they begin; some of them began once.
  std::unordered_map<std::uint64_t, Special> specials_;
  BlockMemo memo_;
};

}  // namespace ftvm::unicorn
