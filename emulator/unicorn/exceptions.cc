// Exceptions and system calls of the shared engine: what retired, what is delivered, and how it is
// counted. Faults and interrupts are one tick each; a trap (INT n, single step) belongs to the
// instruction that made it.
#include <unicorn/unicorn.h>

#include "emulator/base/diag.h"
#include "emulator/unicorn/unicorn_cpu.h"

namespace ftvm::unicorn {
namespace {

constexpr std::uint32_t kErrorFetch = 1u << 4;  // I/D bit of the #PF error code.
constexpr std::uint64_t kEferSyscall = 1;

}  // namespace

bool UnicornCpu::put_off_fetch(RawState state, std::uint32_t vector) {
  // The library looks up and translates a block before the block hook can stop there. What it meets
  // behind the end of a run, or where an interrupt comes first, is not for the guest yet.
  const bool window = window_ && accepts_interrupts();
  const bool step_done = step_.active && (step_.counted || step_.interrupted);
  const bool behind_the_end = hot_.tick >= limit_ || window || step_done;
  // A block that runs on into a page that is not there, or out of the address range, faults at its
  // first instruction. Whether that instruction itself needs the page is seen when it is stepped.
  const std::uint64_t page = state.linear_rip() / kPageBytes;
  const bool own_page = vector == kPageFault && state.cr(2) / kPageBytes == page;
  const bool split = !own_page && !step_.active;
  if (!behind_the_end && !split) return false;
  step_once_ = !behind_the_end;
  state.cr(2) = cr2_;
  state.forget_exception();
  push();
  stop_engine();
  return true;
}

bool UnicornCpu::is_debug_trap(RawState state) const {
  // Execution breakpoints come before their instruction, single steps and I/O breakpoints behind
  // it.
  const std::uint64_t rip = state.linear_rip();
  if (!in_current_block(rip)) return true;
  const Block& block = *hot_.current;
  if ((state.system_flags() & Rflags::kTf) != 0) {
    // One instruction, then, that went to itself; a breakpoint at its start makes a block of 1
    // byte.
    return rip != block.pc || block.size_bytes != 1;
  }
  return !breakpoint_at(state);
}

void UnicornCpu::account_exception(std::uint32_t vector) {
  const RawState state = pull();
  const auto error = state.at<std::uint32_t>(Offset::kErrorCode);
  Event event{.vector = static_cast<std::uint8_t>(vector),
              .kind = Event::Kind::kException,
              .error_code = error,
              .return_rip = state.rip(),
              .fault_rip = state.rip()};
  if (state.at<std::int32_t>(Offset::kExceptionIsInt) != 0) {
    event.kind = Event::Kind::kSoftware;
    event.fault_rip = software_interrupt_rip(state);
    take_back_from(state, state.linear_rip());  // INTO does not end its block.
    deliver_event(state, event);
    return;
  }
  if (vector == kDebug) {
    event.is_trap = is_debug_trap(state);
    const bool single_step = (state.system_flags() & Rflags::kTf) != 0;
    if (event.is_trap && single_step) forget_block();  // It retired, even if it went to itself.
  } else {
    const bool fetch = (vector == kPageFault && (error & kErrorFetch) != 0) ||
                       !in_current_block(state.linear_rip());
    if (fetch) {
      if (put_off_fetch(state, vector)) return;
      forget_block();  // It retired.
    }
  }
  if (!event.is_trap) mend_flags(state, state.linear_rip());
  take_back_from(state, state.linear_rip());
  deliver_event(state, event);
}

void UnicornCpu::account_invalid_opcode() {
  deliver_fault(pull(), kInvalidOpcode);
}

void UnicornCpu::deliver_fault(RawState state, std::uint8_t vector, std::uint32_t error_code) {
  take_back_from(state, state.linear_rip());
  deliver_event(state, Event{.vector = vector,
                             .kind = Event::Kind::kException,
                             .error_code = error_code,
                             .return_rip = state.rip(),
                             .fault_rip = state.rip()});
}

void UnicornCpu::account_error(int error) {
  // The library gives up where nothing answers: code outside RAM, or physical addresses that no
  // machine has. An open bus reads as ones, and FFh FFh is no instruction.
  const RawState state = pull();
  if (!in_current_block(state.linear_rip()) && put_off_fetch(state, kInvalidOpcode)) return;
  FTVM_DIAG(kInfo, "cpu.open_bus")
      .kv("what", uc_strerror(static_cast<uc_err>(error)))
      .kv("rip", state.rip());
  deliver_fault(state, kInvalidOpcode);
}

std::uint64_t UnicornCpu::software_interrupt_rip(RawState state) const {
  const Block& block = *hot_.current;
  const std::uint64_t upto_bytes = state.linear_rip() - block.pc;
  FTVM_ASSERT(upto_bytes > 0 && upto_bytes <= block.size_bytes);
  if (block.lengths != nullptr) {
    return state.rip() - block.lengths[index_in_block(state, state.linear_rip()) - 1];
  }
  return state.rip() -
         last_instruction_length(code_at(state, block.pc, upto_bytes), code_size(state));
}

void UnicornCpu::deliver_event(RawState state, const Event& event) {
  const bool software = event.kind == Event::Kind::kSoftware;
  step_.interrupted = true;
  const Delivered delivered = deliver(state, walker_, event, rflags(state));
  if (delivered == Delivered::kShutdown) {
    FTVM_DIAG(kWarn, "cpu.triple_fault").kv("vector", event.vector).kv("rip", event.fault_rip);
    state.forget_exception();
    push();
    shutdown_ = true;
    stop_engine();
    return;
  }
  if (!software && !event.is_trap) {
    ++hot_.tick;
    ++not_retired_;
  } else if (software && delivered == Delivered::kOther) {
    ++not_retired_;  // The INT did not happen; the fault in its place takes its tick.
  }
  cr2_ = state.cr(2);
  forget_block();
  push();
}

bool UnicornCpu::interrupt(std::uint8_t vector) {
  const RawState state = pull();
  FTVM_ASSERT(state.interrupts_enabled());
  const Event event{.vector = vector,
                    .kind = Event::Kind::kExternal,
                    .return_rip = state.rip(),
                    .fault_rip = state.rip()};
  if (deliver(state, walker_, event, rflags(state)) == Delivered::kShutdown) return false;
  push();
  ++hot_.tick;
  ++not_retired_;
  halted_ = false;
  return true;
}

unsigned UnicornCpu::length_at_block_end(RawState state) const {
  const Block& block = *hot_.current;
  FTVM_ASSERT(in_current_block(state.linear_rip()));
  return static_cast<unsigned>(block.pc + block.size_bytes - state.linear_rip());
}

void UnicornCpu::enter_syscall() {
  // Source: Intel SDM volume 2B, SYSCALL; AMD64 APM volume 3, SYSCALL (compatibility mode).
  constexpr std::uint32_t kCodeFlags = 0x00a09b00, kStackFlags = 0x00c09300;
  const RawState state = pull();
  const unsigned length = length_at_block_end(state);  // The library adds it behind us.
  if ((state.efer() & kEferSyscall) == 0) {
    deliver_fault(state, kInvalidOpcode);
    state.rip() -= length;
    push();
    return;
  }
  const bool from64 = state.code64();
  const auto selector = static_cast<std::uint16_t>(state.at<std::uint64_t>(Offset::kStar) >> 32);
  const std::uint64_t flags = rflags(state);
  state.gpr(kRcx) = state.rip() + length;
  state.gpr(kR11) = flags & ~Rflags::kRf;
  state.set_rflags(flags & ~(state.at<std::uint64_t>(Offset::kFmask) | Rflags::kRf));
  load_code_segment(state, selector & 0xfffc, 0, 0xffff'ffff, kCodeFlags);
  state.segment(kSs) = RawSegment{static_cast<std::uint32_t>((selector + 8) & 0xfffc), 0, 0,
                                  0xffff'ffff, kStackFlags};
  set_cpl(state, 0);
  state.rip() = state.at<std::uint64_t>(from64 ? Offset::kLstar : Offset::kCstar) - length;
  push();
}

void UnicornCpu::enter_sysenter() {
  // Source: Intel SDM volume 2B, SYSENTER.
  constexpr std::uint32_t kCode64Flags = 0x00a09b00, kStackFlags = 0x00c09300;
  const RawState state = pull();
  const unsigned length = length_at_block_end(state);
  const auto selector = static_cast<std::uint16_t>(state.at<std::uint32_t>(Offset::kSysenterCs));
  if ((selector & 0xfffc) == 0) {
    deliver_fault(state, kGeneralProtection);
    state.rip() -= length;
    push();
    return;
  }
  state.system_flags() &= ~(Rflags::kVm | Rflags::kIf | Rflags::kRf);
  load_code_segment(state, selector & 0xfffc, 0, 0xffff'ffff, kCode64Flags);
  state.segment(kSs) = RawSegment{static_cast<std::uint32_t>((selector + 8) & 0xfffc), 0, 0,
                                  0xffff'ffff, kStackFlags};
  set_cpl(state, 0);
  state.gpr(kRsp) = state.at<std::uint64_t>(Offset::kSysenterEsp);
  state.rip() = state.at<std::uint64_t>(Offset::kSysenterEip) - length;
  push();
}

}  // namespace ftvm::unicorn
