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

bool UnicornCpu::is_split_fetch(RawState state, std::uint32_t vector) {
  // A block that runs on into a page that is not there faults when it is translated, at its first
  // instruction. Whether that instruction itself needs the page decides if the guest may see it.
  const auto error = state.at<std::uint32_t>(Offset::kErrorCode);
  if (vector != kPageFault || (error & kErrorFetch) == 0) return false;
  const std::uint64_t rip = state.rip();
  if (state.cr(2) / kPageBytes == rip / kPageBytes) return false;
  const std::size_t left_on_page = kPageBytes - rip % kPageBytes;
  const Bytes code = code_at(rip, std::min<std::size_t>(left_on_page, 15));
  return decoder_.length(code, code_size()).has_value();
}

void UnicornCpu::account_exception(std::uint32_t vector) {
  const RawState state = pull();
  const bool software = state.at<std::int32_t>(Offset::kExceptionIsInt) != 0;
  const auto error = state.at<std::uint32_t>(Offset::kErrorCode);
  const bool fetch = vector == kPageFault && !software && (error & kErrorFetch) != 0;
  if (fetch && hot_.tick >= limit_) {
    // The library looked ahead at the block behind the limit; it will fault again when it is run.
    state.forget_exception();
    push();
    stop_engine();
    return;
  }
  if (!software && is_split_fetch(state, vector)) {
    state.hflags() |= Hflags::kInhibitIrq;
    state.forget_exception();
    push();
    return;
  }
  Event event{.vector = static_cast<std::uint8_t>(vector),
              .kind = software ? Event::Kind::kSoftware : Event::Kind::kException,
              .error_code = error,
              .return_rip = state.rip(),
              .fault_rip = state.rip()};
  if (software) {
    event.fault_rip = software_interrupt_rip(state);
  } else if (!fetch && !(vector == kDebug && (state.system_flags() & Rflags::kTf) != 0)) {
    take_back_from(state.rip());
  }
  deliver_event(state, event);
}

void UnicornCpu::account_invalid_opcode() {
  const RawState state = pull();
  take_back_from(state.rip());
  deliver_event(state, Event{.vector = kInvalidOpcode,
                             .kind = Event::Kind::kException,
                             .return_rip = state.rip(),
                             .fault_rip = state.rip()});
}

std::uint64_t UnicornCpu::software_interrupt_rip(RawState state) {
  const Block& block = *hot_.current;
  const unsigned length = decoder_.last_length(code_at(block.pc, block.size_bytes), code_size());
  return state.rip() - length;
}

void UnicornCpu::deliver_event(RawState state, const Event& event) {
  // A single step is a trap: the instruction before it has retired and its tick is taken. An
  // execution breakpoint has the same vector but comes before the instruction, so its block was
  // taken back.
  const bool taken_back = hot_.current == &nothing_;
  const bool trap = event.kind == Event::Kind::kSoftware || (event.vector == kDebug && !taken_back);
  step_.interrupted = true;
  const Delivered delivered = deliver(state, walker_, event, rflags());
  if (delivered == Delivered::kShutdown) {
    FTVM_DIAG(kWarn, "cpu.triple_fault").kv("vector", event.vector).kv("rip", event.fault_rip);
    state.forget_exception();
    push();
    shutdown_ = true;
    stop_engine();
    return;
  }
  if (!trap) {
    ++hot_.tick;
    ++not_retired_;
  } else if (delivered == Delivered::kOther && event.kind == Event::Kind::kSoftware) {
    ++not_retired_;  // The INT did not happen; the fault in its place takes its tick.
  }
  shadow_ = false;
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
  if (deliver(state, walker_, event, rflags()) == Delivered::kShutdown) return false;
  push();
  ++hot_.tick;
  ++not_retired_;
  halted_ = false;
  shadow_ = false;
  return true;
}

void UnicornCpu::enter_syscall() {
  // Source: Intel SDM volume 2B, SYSCALL; AMD64 APM volume 3, SYSCALL (compatibility mode).
  constexpr std::uint64_t kLengthBytes = 2;  // The library adds it behind us.
  constexpr std::uint32_t kCodeFlags = 0x00a09b00, kStackFlags = 0x00c09300;
  const RawState state = pull();
  if ((state.efer() & kEferSyscall) == 0) {
    take_back_from(state.rip());
    deliver_event(state, Event{.vector = kInvalidOpcode,
                               .kind = Event::Kind::kException,
                               .return_rip = state.rip(),
                               .fault_rip = state.rip()});
    state.rip() -= kLengthBytes;
    push();
    return;
  }
  const bool from64 = state.code64();
  const auto selector = static_cast<std::uint16_t>(state.at<std::uint64_t>(Offset::kStar) >> 32);
  const std::uint64_t flags = rflags();
  state.gpr(kRcx) = state.rip() + kLengthBytes;
  state.gpr(kR11) = flags & ~Rflags::kRf;
  state.set_rflags(flags & ~(state.at<std::uint64_t>(Offset::kFmask) | Rflags::kRf));
  load_code_segment(state, selector & 0xfffc, 0, 0xffff'ffff, kCodeFlags);
  state.segment(kSs) =
      RawSegment{static_cast<std::uint32_t>((selector + 8) & 0xfffc), 0, 0, 0xffff'ffff, kStackFlags};
  set_cpl(state, 0);
  state.rip() = state.at<std::uint64_t>(from64 ? Offset::kLstar : Offset::kCstar) - kLengthBytes;
  push();
}

bool UnicornCpu::enter_sysenter() {
  // Source: Intel SDM volume 2B, SYSENTER.
  constexpr std::uint64_t kLengthBytes = 2;  // The library adds it behind us.
  constexpr std::uint32_t kCode64Flags = 0x00a09b00, kStackFlags = 0x00c09300;
  const RawState state = pull();
  const auto selector = static_cast<std::uint16_t>(state.at<std::uint32_t>(Offset::kSysenterCs));
  if ((selector & 0xfffc) == 0) {
    take_back_from(state.rip());
    deliver_event(state, Event{.vector = kGeneralProtection,
                               .kind = Event::Kind::kException,
                               .return_rip = state.rip(),
                               .fault_rip = state.rip()});
    state.rip() -= kLengthBytes;
    push();
    return false;
  }
  state.system_flags() &= ~(Rflags::kVm | Rflags::kIf | Rflags::kRf);
  load_code_segment(state, selector & 0xfffc, 0, 0xffff'ffff, kCode64Flags);
  state.segment(kSs) =
      RawSegment{static_cast<std::uint32_t>((selector + 8) & 0xfffc), 0, 0, 0xffff'ffff, kStackFlags};
  set_cpl(state, 0);
  state.gpr(kRsp) = state.at<std::uint64_t>(Offset::kSysenterEsp);
  state.rip() = state.at<std::uint64_t>(Offset::kSysenterEip) - kLengthBytes;
  push();
  return true;
}

}  // namespace ftvm::unicorn
