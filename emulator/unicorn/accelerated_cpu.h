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

#include "emulator/unicorn/unicorn_cpu.h"

struct CPUState;

namespace ftvm::unicorn {

class AcceleratedCpu final : public UnicornCpu {
 public:
  AcceleratedCpu(GuestMemory& memory, CpuBus& bus) : UnicornCpu(memory, bus, this) {}
  Status create(const CpuOptions& options) { return open(options); }
  [[nodiscard]] std::string engine_name() const override { return "accelerated"; }

  /// The engine whose library call is in progress on this thread, or null.
  static AcceleratedCpu* active() {
    const UnicornCpu* cpu = EngineScope::active();
    return cpu != nullptr ? cpu->accelerated() : nullptr;
  }

  // What the replacements in interpose.cc call.
  [[nodiscard]] bool in_ram(std::uint64_t ram_offset) const {
    return ram_offset < memory_.size_bytes();
  }
  [[nodiscard]] bool holds_code(std::uint64_t ram_offset) const {
    return code_pages_[ram_offset / kPageBytes] != 0;
  }
  void page_gained_code(std::uint64_t ram_offset);
  void page_lost_code(std::uint64_t ram_offset) { code_pages_[ram_offset / kPageBytes] = 0; }
  void state_seen(void* state) { live_state_ = static_cast<std::uint8_t*>(state); }
  void entered_tlb(CPUState* state, const GuestTlb::Translation& translation);
  void translations_flushed();
  /// May leave the run instead of returning: call it with nothing on the stack to be destroyed.
  void translation_begins();
  void translation_ends(const std::uint8_t* block);
  /// Lengths of the instructions of a block that is not translated yet: what tests measure decode.h
  /// against.
  Bytes translate(std::uint64_t linear);
  /// Since the last flush: what tests measure the cost of a stop by.
  [[nodiscard]] std::size_t translated_instructions() const { return lengths_used_; }
  /// Emits the counting operations of a block into the translation in progress.
  void emit_count(void* translator, void* result);
  void block_abandoned();
  [[nodiscard]] static void* limit_function() { return reinterpret_cast<void*>(&on_limit); }
  CPUState* cpu_state = nullptr;  // The library's, once seen.
  std::uint64_t last_checked_store = ~0ull;

 private:
  RawState pull() const override { return RawState(live_state_); }
  void push() override {}
  [[nodiscard]] std::uint64_t full_rflags() const override;
  void drop_translations(GuestPhys page) override;
  void granule_added(std::uint64_t) override {}
  void write_debug_control(std::uint64_t dr7) override;
  void length_noted(std::uint8_t length) override { pending_lengths_.push_back(length); }
  Status attach_engine() override;

  static constexpr std::uint32_t kStepCharge = 2 * kRunTicksMax;

  static void on_limit(Block* block);
  void reach_limit(Block* block);
  [[noreturn]] void leave_run();
  const std::uint8_t* keep_lengths();

  /// Cells that generated code counts from; they live as long as the translations.
  static constexpr std::size_t kCellsPerChunk = 4096;
  std::vector<std::unique_ptr<Block[]>> chunks_;
  std::size_t cells_used_ = 0;
  std::uint8_t* live_state_ = nullptr;  // The library's CPU state, once seen.
  Block* pending_ = nullptr;            // Of the translation in progress.
  Block kept_;                          // Copy of a current block whose cell went away.
  Bytes kept_lengths_;
  Bytes pending_lengths_;  // Of the translation in progress.
  static constexpr std::size_t kLengthsPerChunk = std::size_t{64} << 10;
  std::vector<std::unique_ptr<std::uint8_t[]>> length_chunks_;
  std::size_t lengths_used_ = 0;
  std::vector<std::uint64_t> new_code_pages_;
};

}  // namespace ftvm::unicorn
