// Stable names of the reasons to end, for diagnostics, timelines and exit messages.
#include "emulator/world.h"

namespace ftvm {

std::string_view end_reason_name(EndReason reason) {
  switch (reason) {
    case EndReason::kPowerOff:
      return "power_off";
    case EndReason::kDebugExit:
      return "debug_exit";
    case EndReason::kStopped:
      return "stopped";
    case EndReason::kReset:
      return "reset";
    case EndReason::kJournalEnd:
      return "journal_end";
    case EndReason::kHandOver:
      return "hand_over";
    case EndReason::kDiskFull:
      return "disk_full";
    case EndReason::kDiverged:
      return "diverged";
    case EndReason::kHalted:
      return "halted";
    case EndReason::kDeadlock:
      return "deadlock";
  }
  return "unknown";
}

std::string end_reason_text(EndReason reason) {
  std::string text(end_reason_name(reason));
  // A PC without ACPI has no other way to be off, so this is how most guests end that were told to.
  if (reason == EndReason::kDeadlock) {
    text += " (the guest halted with interrupts off: switched off, or stuck)";
  }
  return text;
}

}  // namespace ftvm
