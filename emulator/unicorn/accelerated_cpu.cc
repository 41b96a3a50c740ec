#include "emulator/unicorn/accelerated_cpu.h"

#include <unicorn/unicorn.h>

#include <algorithm>
#include <cstddef>
#include <string>

#include "emulator/base/assert.h"
#include "emulator/unicorn/interpose.h"

namespace ftvm::unicorn {
namespace {

/// Numbers of the library's intermediate operations that the counter is made of.
enum TcgOp : int { kSetLabel = 1, kLoad32u = 71, kLoad64 = 73, kStore64 = 77, kAdd64 = 78 };
constexpr int kConditionUnsignedLessEqual = 12;
constexpr int kTypeI64 = 1;
/// Offsets in the library's translation block.
constexpr std::size_t kTbPc = 0, kTbSize = 20, kTbInstructions = 22;

}  // namespace

Status AcceleratedCpu::attach_engine() {
  FTVM_TRY(check_library_version(EngineKind::kAccelerated, uc_version(nullptr, nullptr)));
  FTVM_TRY(check_interposition());
  uc_hook handle = 0;
  if (uc_hook_add(uc_, &handle, UC_HOOK_BLOCK, limit_function(), this, 1, 0) != UC_ERR_OK) {
    return Error(ErrorCode::kUnsupported, "accelerated engine: no block hook");
  }
  // Translating anything makes the library name its CPU state to our functions.
  FTVM_TRY(calibrate_blocks());
  if (live_state_ == nullptr || cpu_state == nullptr) {
    return Error(ErrorCode::kUnsupported, "accelerated engine: the CPU state was not seen");
  }
  std::uint64_t sentinel = 0x1234'5678'90ab'cdef;
  uc_reg_write(uc_, UC_X86_REG_R13, &sentinel);
  const bool seen = pull().gpr(kR13) == sentinel;
  sentinel = 0;
  uc_reg_write(uc_, UC_X86_REG_R13, &sentinel);
  if (!seen)
    return Error(ErrorCode::kUnsupported, "accelerated engine: CPU state laid out otherwise");
  return {};
}

std::uint64_t AcceleratedCpu::full_rflags() const {
  std::uint64_t flags = 0;
  uc_reg_read(uc_, UC_X86_REG_EFLAGS, &flags);
  return flags & 0xffff'ffff;
}

// --- counting

void AcceleratedCpu::emit_count(void* translator, void* result) {
  if (cells_used_ == chunks_.size() * kCellsPerChunk) {
    chunks_.push_back(std::make_unique<Block[]>(kCellsPerChunk));
  }
  pending_ = &chunks_[cells_used_ / kCellsPerChunk][cells_used_ % kCellsPerChunk];
  ++cells_used_;
  *pending_ = Block{};
  // tick += charge; current = cell; if (tick > limit) on_limit(cell);
  const TcgWriter tcg(translator);
  const auto hot = tcg.constant(&hot_);
  const auto cell = tcg.constant(pending_);
  const auto tick = tcg.temporary(kTypeI64);
  const auto charge = tcg.temporary(kTypeI64);
  const auto limit = tcg.temporary(kTypeI64);
  tcg.operation(kLoad64, tick, hot, offsetof(Hot, tick));
  tcg.operation(kLoad32u, charge, cell, offsetof(Block, charge));
  tcg.operation(kAdd64, tick, tick, charge);
  tcg.operation(kLoad64, limit, hot, offsetof(Hot, limit));
  tcg.operation(kStore64, tick, hot, offsetof(Hot, tick));
  tcg.operation(kStore64, cell, hot, offsetof(Hot, current));
  tcg.unless(kConditionUnsignedLessEqual, tick, limit, kSetLabel,
             [&] { tcg.call(limit_function(), result, pending_); });
}

void AcceleratedCpu::translation_ends(const std::uint8_t* block) {
  if (pending_ != nullptr) {
    pending_->pc = *reinterpret_cast<const std::uint64_t*>(block + kTbPc);
    pending_->size_bytes = *reinterpret_cast<const std::uint16_t*>(block + kTbSize);
    pending_->instructions = *reinterpret_cast<const std::uint16_t*>(block + kTbInstructions);
    const RawState state = pull();
    const Bytes code = code_at(state, pending_->pc, pending_->size_bytes);
    pending_->stepped = must_be_stepped(state, code);
    pending_->lengths = keep_lengths();
    pending_->charge = pending_->stepped ? kStepCharge : pending_->instructions;
    pending_ = nullptr;
  }
  // Only now: noting a page may flush the TLB, which the translation was still using.
  for (const std::uint64_t page : new_code_pages_) note_code_page(GuestPhys{page});
  new_code_pages_.clear();
}

/// The lengths of the translation in progress, to live as long as it does.
const std::uint8_t* AcceleratedCpu::keep_lengths() {
  const std::size_t n = pending_lengths_.size();
  FTVM_ASSERT(n <= kLengthsPerChunk);
  if (lengths_used_ % kLengthsPerChunk + n > kLengthsPerChunk) {
    lengths_used_ = (lengths_used_ / kLengthsPerChunk + 1) * kLengthsPerChunk;
  }
  const std::size_t chunk = lengths_used_ / kLengthsPerChunk;
  if (chunk == length_chunks_.size()) {
    length_chunks_.push_back(std::make_unique<std::uint8_t[]>(kLengthsPerChunk));
  }
  std::uint8_t* lengths = &length_chunks_[chunk][lengths_used_ % kLengthsPerChunk];
  std::copy(pending_lengths_.begin(), pending_lengths_.end(), lengths);
  lengths_used_ += n;
  return lengths;
}

Bytes AcceleratedCpu::translate(std::uint64_t linear) {
  const EngineScope scope(*this);
  uc_tb block{};
  pending_lengths_.clear();
  uc_ctl_request_cache(uc_, linear, &block);
  return pending_lengths_;
}

void AcceleratedCpu::entered_tlb(CPUState* state, const GuestTlb::Translation& translation) {
  cpu_state = state;
  constexpr int kWritable = 2;
  const std::uint64_t ram = translation.physical;
  if ((translation.protection & kWritable) == 0 || !in_ram(ram) || holds_code(ram)) return;
  make_stores_fast(state, translation.page);
}

void AcceleratedCpu::translations_flushed() {
  if (live_state_ != nullptr && breakpoints_armed(pull())) {  // A new breakpoint flushes.
    watch_rf_ = true;
    limit_changed();
  }
  if (hot_.current != &nothing_ && hot_.current != &kept_) {
    kept_ = *hot_.current;
    kept_lengths_.assign(kept_.lengths, kept_.lengths + kept_.instructions);
    kept_.lengths = kept_lengths_.data();
    hot_.current = &kept_;
  }
  cells_used_ = 0;
  lengths_used_ = 0;
}

void AcceleratedCpu::on_limit(Block* block) {
  active()->reach_limit(block);
}

void AcceleratedCpu::reach_limit(Block* block) {
  const std::uint64_t before = hot_.tick - block->charge;
  const std::uint64_t after = before + block->instructions;
  bool go_on = false;
  if (step_.active) {
    go_on = !step_.counted && !step_.interrupted;
    step_.counted = step_.counted || go_on;
  } else if (after > limit_) {
    step_all_ = before < limit_;
  } else if (!window_ || !pull().interrupts_enabled()) {
    go_on = !block->stepped && !resumes();
    step_once_ = !go_on;
  }
  hot_.tick = go_on ? after : before;
  if (!go_on) leave_run();
}

void AcceleratedCpu::leave_run() {
  forget_block();
  stop_engine();
  leave_generated_code(uc_);
}

void AcceleratedCpu::block_abandoned() {
  // A store hit code of the running block, which starts anew at that store. (When we leave
  // generated code ourselves there is no current block, and nothing to take back.)
  const bool ours = hot_.current != &nothing_;
  mend_flags(pull(), pull().linear_rip());
  take_back_from(pull(), pull().linear_rip());
  if (step_.active && ours && hot_.current == &nothing_) step_.counted = false;
}

// --- translations

void AcceleratedCpu::translation_begins() {
  // Behind a step no block is needed. It may be long, and each step into it would make the rest of
  // it, a hundred thousand instructions for a block of 512.
  if (step_.active && (step_.counted || step_.interrupted)) leave_run();
  pending_ = nullptr;
  pending_lengths_.clear();
}

void AcceleratedCpu::page_gained_code(std::uint64_t ram_offset) {
  const std::uint64_t page = ram_offset / kPageBytes * kPageBytes;
  code_pages_[page / kPageBytes] = 1;
  new_code_pages_.push_back(page);
  if (cpu_state != nullptr) check_stores_to(cpu_state, memory_.data() + page, kPageBytes);
}

void AcceleratedCpu::drop_translations(GuestPhys page) {
  const EngineScope scope(*this);
  invalidate_translations(uc_, page.value, page.value + kPageBytes);
}

void AcceleratedCpu::write_debug_control(std::uint64_t dr7) {
  const EngineScope scope(*this);
  move_to_dr7(live_state_, dr7);
}

Result<std::unique_ptr<Cpu>> make_accelerated(const CpuOptions& options, GuestMemory& memory,
                                              CpuBus& bus) {
  auto cpu = std::make_unique<AcceleratedCpu>(memory, bus);
  FTVM_TRY(cpu->create(options));
  return std::unique_ptr<Cpu>(std::move(cpu));
}

}  // namespace ftvm::unicorn
