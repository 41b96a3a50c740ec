// Delivery of interrupts and exceptions through the IDT, which the library leaves to us: gate and
// stack checks, the frame, the new mode, double and triple faults. IA-32e mode only (64-bit kernels
// with 64-bit and compatibility-mode user code).
//
// Source: Intel SDM volume 3A, 6.14 (64-bit mode), 6.12 (checks and error codes), 6.15 table 6-5
// (double fault), 17.3.1.1 (RF in the pushed image).
#pragma once

#include <cstdint>
#include <optional>

#include "emulator/unicorn/page_walk.h"
#include "emulator/unicorn/raw_state.h"

namespace ftvm::unicorn {

enum Vector : std::uint8_t {
  kDivideError = 0,
  kDebug = 1,
  kNmi = 2,
  kBreakpoint = 3,
  kOverflow = 4,
  kInvalidOpcode = 6,
  kDoubleFault = 8,
  kInvalidTss = 10,
  kSegmentNotPresent = 11,
  kStackFault = 12,
  kGeneralProtection = 13,
  kPageFault = 14,
  kAlignmentCheck = 17,
  kMachineCheck = 18,
};

/// True for exceptions that push an error code (SDM volume 3A, table 6-1).
constexpr bool pushes_error_code(std::uint8_t vector) {
  return vector == kDoubleFault || (vector >= kInvalidTss && vector <= kPageFault) ||
         vector == kAlignmentCheck;
}

struct Event {
  enum class Kind : std::uint8_t { kException, kSoftware, kExternal };
  std::uint8_t vector;
  Kind kind;
  /// #DB behind an instruction: belongs to it and takes no tick of its own.
  bool is_trap = false;
  std::uint32_t error_code = 0;
  /// RIP to push, and RIP to push when delivery itself faults: they differ for software interrupts,
  /// which then have not happened.
  std::uint64_t return_rip;
  std::uint64_t fault_rip;
};

enum class Delivered : std::uint8_t {
  kAsked,     // The event itself.
  kOther,     // Another exception in its place.
  kShutdown,  // Triple fault: nothing was delivered.
};

/// Changes `state` and the guest's stack so that the handler runs next. `rflags` is the full image
/// to push.
Delivered deliver(RawState state, PageWalker& walker, const Event& event, std::uint64_t rflags);

/// Loads CS as the library wants it (hflags included).
void load_code_segment(RawState state, std::uint16_t selector, std::uint64_t base,
                       std::uint32_t limit, std::uint32_t flags);
/// CPL lives in hflags.
void set_cpl(RawState state, unsigned cpl);
PagingState paging_of(RawState state);
/// Whether an execution breakpoint is enabled; the other kinds know no RF (SDM 3, 17.3.1.1). Arming
/// one flushes all translations, so it is never missed.
bool breakpoints_armed(RawState state);
/// Whether one of them is an execution breakpoint for the next instruction, not passed by RF.
bool breakpoint_at(RawState state);

}  // namespace ftvm::unicorn
