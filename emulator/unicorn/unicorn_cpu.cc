#include "emulator/unicorn/unicorn_cpu.h"

#include <unicorn/unicorn.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "emulator/base/diag.h"
#include "emulator/base/planted_bug.h"

namespace ftvm::unicorn {
namespace {

constexpr std::uint64_t kGranuleBytes = 512ull << 10;
/// More than any window of the library's TLB resizing: after two flushes this far apart the TLB has
/// its smallest size, whatever came before.
constexpr std::uint64_t kTlbWindowNs = 1'000'000'000;

}  // namespace

EngineScope::EngineScope(UnicornCpu& cpu) : clock_(cpu.engine_ns_), outer_(active_) {
  active_ = &cpu;
}

UnicornCpu::UnicornCpu(GuestMemory& memory, CpuBus& bus, AcceleratedCpu* accelerated)
    : accelerated_(accelerated),
      memory_(memory),
      bus_(bus),
      walker_(memory, [this](GuestPhys at, std::size_t size) { memory_written(at, size); }),
      code_pages_(memory.size_bytes() / kPageBytes),
      granules_(memory.size_bytes() / kGranuleBytes) {
  hot_.current = &nothing_;
}

UnicornCpu::~UnicornCpu() {
  if (uc_ == nullptr) return;
  accelerated_ = nullptr;  // It is gone already.
  const EngineScope scope(*this);
  uc_close(uc_);
}

// --- running

CpuStop UnicornCpu::run(Tick limit, bool stop_at_interrupt_window) {
  FTVM_ASSERT(hot_.tick < limit.value);
  FTVM_ASSERT(!halted_);
  const Tick farthest = tick().plus(kRunTicksMax);
  while (limit > farthest) {
    const CpuStop stop = run(farthest, stop_at_interrupt_window);
    if (stop != CpuStop::kLimit) return stop;
    return run(limit, stop_at_interrupt_window);
  }
  limit_ = limit.value;
  window_ = stop_at_interrupt_window;
  step_all_ = false;
  while (true) {
    if (std::exchange(shutdown_, false)) return CpuStop::kShutdown;
    if (halted_) return CpuStop::kHalted;
    if (window_ && accepts_interrupts()) return CpuStop::kInterruptWindow;
    if (hot_.tick >= limit_) {
      FTVM_ASSERT(hot_.tick == limit_);
      return CpuStop::kLimit;
    }
    // Under an interrupt shadow with IF set, the window opens behind the next instruction.
    const bool under_shadow = window_ && pull().interrupts_enabled();
    if (std::exchange(step_once_, false) || step_all_ || under_shadow) {
      step();
    } else {
      start();
    }
  }
}

void UnicornCpu::start() {
  const RawState state = pull();
  cr2_ = state.cr(2);
  watch_rf_ = breakpoints_armed(state);
  hot_.current = &nothing_;
  stopping_ = false;
  limit_changed();
  uc_err error = UC_ERR_OK;
  {
    const EngineScope scope(*this);
    error = uc_emu_start(uc_, state.rip(), 0, 0, 0);
  }
  if (error != UC_ERR_OK) {
    account_error(error);
  } else if (!stopping_ && !shutdown_) {
    halted_ = current_ends_in_hlt();
  }
  hot_.current = &nothing_;
}

/// The library comes back by itself when a HLT has retired.
bool UnicornCpu::current_ends_in_hlt() const {
  constexpr std::uint8_t kHlt = 0xf4;
  const Block& block = *hot_.current;
  if (block.size_bytes == 0) return false;
  const Bytes code = code_at(pull(), block.pc, block.size_bytes);
  return code.size() == block.size_bytes && code.back() == kHlt;
}

void UnicornCpu::step() {
  const RawState state = pull();
  const Bytes code = code_at(state, state.linear_rip(), kInstructionBytesMax);
  if (stand_in(state, code)) return;
  // Only the first of several shadowing instructions casts a shadow.
  const bool shadowed = state.inhibited();
  step_ = Step{.active = true,
               .rip = state.rip(),
               .rcx = state.gpr(kRcx),
               .rflags = full_rflags(),
               .shadowed = shadowed,
               .casts_shadow = !shadowed && casts_interrupt_shadow(code, code_size(state)),
               .resumes = (state.system_flags() & Rflags::kRf) != 0,
               .rep = parse_rep_string(code, code_size(state))};
  state.hflags() |= Hflags::kInhibitIrq;  // The next block is exactly one instruction.
  push();
  start();
  const Step step = std::exchange(step_, Step{});
  if (!step.interrupted) end_step(step);
}

void UnicornCpu::end_step(const Step& step) {
  const RawState state = pull();
  // The flag is still set when the library came back without running anything (it made room for
  // translations), and behind each iteration of a REP but the last.
  if (!step.shadowed) state.hflags() &= ~Hflags::kInhibitIrq;
  if (step.counted && step.casts_shadow) state.hflags() |= Hflags::kInhibitIrq;
  if (step.counted && step.rep) {
    if (!step.shadowed && !planted(PlantedBug::kRepCount)) finish_rep(step, state);
    // A breakpoint on a REP hits once, not at each iteration.
    if (step.resumes && state.rip() == step.rip) state.system_flags() |= Rflags::kRf;
  }
  push();
}

void UnicornCpu::finish_rep(const Step& step, RawState state) {
  // Stepped, or under an interrupt shadow, the library leaves a REP with the last iteration;
  // running, it makes one more pass that sees the count exhausted. The pass is an instruction of
  // the count, so for a step it is put back.
  const std::uint64_t mask = step.rep->count_mask;
  const bool exhausted = (step.rcx & mask) == 1 && (state.gpr(kRcx) & mask) == 0;
  if (!exhausted || state.rip() != step.rip + step.rep->length_bytes) return;
  if (step.rep->compares && ((rflags(state) & Rflags::kZf) != 0) != step.rep->while_equal) return;
  state.rip() = step.rip;
}

void UnicornCpu::stop_engine() {
  stopping_ = true;
  uc_emu_stop(uc_);
}

void UnicornCpu::lower_limit(Tick limit) {
  if (limit.value >= limit_) return;
  limit_ = limit.value;
  limit_changed();
}

void UnicornCpu::idle_until(Tick to) {
  FTVM_ASSERT(halted_);
  FTVM_ASSERT(to.value >= hot_.tick);
  not_retired_ += to.value - hot_.tick;
  hot_.tick = to.value;
}

bool UnicornCpu::accepts_interrupts() const {
  const RawState state = pull();
  return state.interrupts_enabled() && !state.inhibited();
}

void UnicornCpu::flush() {
  const EngineScope scope(*this);
  uc_ctl_flush_tlb(uc_);
  engine_ns_ += kTlbWindowNs;
  uc_ctl_flush_tlb(uc_);
  engine_ns_ += kTlbWindowNs;
}

// --- memory and code

void UnicornCpu::memory_written(GuestPhys address, std::size_t size_bytes) {
  if (size_bytes == 0) return;
  const std::uint64_t last = (address.value + size_bytes - 1) / kPageBytes;
  for (std::uint64_t page = address.value / kPageBytes; page <= last; ++page) {
    if (page < code_pages_.size() && code_pages_[page] != 0)
      drop_translations(GuestPhys{page * kPageBytes});
  }
}

void UnicornCpu::note_code_page(GuestPhys page) {
  if (page.value >= memory_.size_bytes()) return;
  code_pages_[page.value / kPageBytes] = 1;
  const std::uint64_t granule = page.value / kGranuleBytes;
  if (granules_[granule] != 0) return;
  granules_[granule] = 1;
  granule_added(granule);
}

Bytes UnicornCpu::code_at(RawState state, std::uint64_t pc, std::size_t size_bytes) const {
  Bytes code(size_bytes);
  code.resize(walker_.peek(paging_of(state), pc, code));
  return code;
}

CodeSize UnicornCpu::code_size(RawState state) {
  if (state.code64()) return CodeSize::k64;
  return (state.hflags() & Hflags::kCs32) != 0 ? CodeSize::k32 : CodeSize::k16;
}

std::uint64_t UnicornCpu::rflags(RawState state) const {
  const std::uint64_t flags = full_rflags();
  return breakpoints_armed(state) ? flags : flags & ~Rflags::kRf;
}

void UnicornCpu::mend_flags(RawState state, std::uint64_t linear) const {
  if (!in_current_block(linear)) return;
  if (step_.active) {
    state.set_rflags(step_.rflags);
    return;
  }
  const CodeSize size = code_size(state);
  const std::uint64_t pc = hot_.current->pc, at = linear - pc;
  const Bytes code = code_at(state, pc, at + kInstructionBytesMax);
  if (code.size() <= at) return;
  if (flag_hazard(ByteView(code).subspan(at), size) != FlagHazard::kSetMemory) return;
  if (set_memory_settles(code, at, size, state.cc_op())) state.cc_op() = RawState::kCcOpSettled;
}

bool UnicornCpu::in_current_block(std::uint64_t linear) const {
  const Block& block = *hot_.current;
  return linear >= block.pc && linear < block.pc + block.size_bytes;
}

unsigned UnicornCpu::index_in_block(RawState state, std::uint64_t linear) const {
  const Block& block = *hot_.current;
  const std::uint64_t offset = linear - block.pc;
  unsigned index = 0;
  if (block.lengths != nullptr) {
    for (std::uint64_t at = 0; at < offset && index < block.instructions; ++index) {
      at += block.lengths[index];
    }
  } else if (offset != 0) {
    index =
        count_instructions(code_at(state, block.pc, block.size_bytes), offset, code_size(state));
  }
  FTVM_ASSERT(index <= block.instructions);
  return index;
}

Tick UnicornCpu::access_tick() const {
  const RawState state = pull();
  const std::uint64_t rip = state.linear_rip();
  if (!in_current_block(rip)) return Tick{hot_.tick};
  return Tick{hot_.tick - hot_.current->instructions + index_in_block(state, rip)};
}

void UnicornCpu::take_back_from(RawState state, std::uint64_t linear) {
  if (!in_current_block(linear)) return;
  hot_.tick -= hot_.current->instructions - index_in_block(state, linear);
  forget_block();
}

void UnicornCpu::forget_block() {
  hot_.current = &nothing_;
}

}  // namespace ftvm::unicorn
