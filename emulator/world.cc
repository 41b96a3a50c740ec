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

}  // namespace ftvm
