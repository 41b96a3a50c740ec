// The accelerated engine: the same stock library, with some of its functions replaced by ours of
// the same name (interpose.cc). Counting happens inside generated code, a store is fast exactly
// when its page holds no translations, and CPU state is used in place instead of being copied.
//
// The library exports its internals and calls them through its procedure linkage table, so a
// definition in the executable wins (the executable is linked with -rdynamic). When one name does
// not resolve to ours, or the self-test disagrees, this engine refuses and the portable one is
// used.
#pragma once

#include <memory>
#include <vector>

#include "emulator/unicorn/guest_tlb.h"
#include "emulator/unicorn/unicorn_cpu.h"

struct CPUState;

namespace ftvm::unicorn {

class AcceleratedCpu final : public UnicornCpu {
 public:
  AcceleratedCpu(GuestMemory& memory, CpuBus& bus) : UnicornCpu(memory, bus, this) {}
  Status create(const CpuOptions& options) { return open(options); }
  [[nodiscard]] std::string engine_name() const override { return "accelerated"; }

  /// The engine whose library call is in progress on this thread, or null.
  static AcceleratedCpu* active() { return EngineScope::accelerated(); }

  // What the replacements in interpose.cc call.
  [[nodiscard]] bool in_ram(std::uint64_t ram_offset) const {
    return ram_offset < memory_.size_bytes();
  }
  [[nodiscard]] bool holds_code(std::uint64_t ram_offset) const {
    return code_pages_[ram_offset / kPageBytes] != 0;
  }
  void page_gained_code(std::uint64_t ram_offset);
  void page_lost_code(std::uint64_t ram_offset) { code_pages_[ram_offset / kPageBytes] = 0; }
  void translations_flushed();
  void translation_begins() {
    pending_ = nullptr;
    pending_lengths_.clear();
  }
  /// The library is about to translate, or to find, code at this linear address.
  void code_found(std::uint64_t linear, std::uint64_t ram_offset) {
    code_page_ = linear / kPageBytes;
    code_ = in_ram(ram_offset) ? memory_.data() + ram_offset / kPageBytes * kPageBytes : nullptr;
  }
  /// Whether a block must begin there, so that it does not know which instruction made the flags.
  /// Precondition: no instruction that long passes the end of the page.
  [[nodiscard]] bool begins_block(std::uint64_t linear) const;
  /// Around the translation of each instruction. What there is to know about it is known at its
  /// begin.
  void instruction_begins(std::uint64_t linear);
  /// Corrects the address behind it.
  void instruction_ends(std::uint64_t linear, std::uint64_t* next);
  /// What the translator gets for a byte of code.
  [[nodiscard]] std::uint32_t fetched(std::uint64_t linear, std::uint32_t byte) const {
    constexpr std::uint8_t kInvalid = 0x0b;  // Behind 0Fh, UD2.
    return linear == refused_at_ ? kInvalid : byte;
  }
  void translation_ends(const std::uint8_t* block);
  /// Lengths of the instructions of a block that is not translated yet: what tests measure decode.h
  /// against.
  Bytes translate(std::uint64_t linear);
  /// Emits the counting operations of a block into the translation in progress.
  void emit_count(void* translator, void* result);
  void block_abandoned();
  [[nodiscard]] static void* limit_function() { return reinterpret_cast<void*>(&on_limit); }
  GuestTlb guest_tlb;
  CPUState* cpu_state = nullptr;       // The library's, once seen.
  std::uint8_t* live_state = nullptr;  // Its register part.
  std::uint64_t last_checked_store = ~0ull;

 private:
  RawState pull() const override { return RawState(live_state); }
  void push() override {}
  [[nodiscard]] std::uint64_t full_rflags() const override;
  void limit_changed() override;
  void drop_translations(GuestPhys page) override;
  void granule_added(std::uint64_t) override {}
  void write_debug_control(std::uint64_t dr7) override;
  Status attach_engine() override;

  static constexpr std::uint32_t kStepCharge = 2 * kRunTicksMax;

  static void on_limit(Block* block);
  void reach_limit(Block* block);
  const std::uint8_t* keep_lengths();

  /// Cells that generated code counts from; they live as long as the translations.
  static constexpr std::size_t kCellsPerChunk = 4096;
  std::vector<std::unique_ptr<Block[]>> chunks_;
  std::size_t cells_used_ = 0;
  Block* pending_ = nullptr;  // Of the translation in progress.
  Block kept_;                // Copy of a current block whose cell went away.
  Bytes kept_lengths_;
  Bytes pending_lengths_;  // Of the translation in progress.
  static constexpr std::size_t kLengthsPerChunk = 64 * 1024;
  std::vector<std::unique_ptr<std::uint8_t[]>> length_chunks_;
  std::size_t lengths_used_ = 0;
  std::vector<std::uint64_t> new_code_pages_;
  std::uint64_t refused_at_ = ~0ull;    // Linear address of an opcode byte that does not count.
  std::uint64_t code_page_ = 0;         // Page number, linear.
  const std::uint8_t* code_ = nullptr;  // Its bytes; null when it is not in RAM.
};

}  // namespace ftvm::unicorn
