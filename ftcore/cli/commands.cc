// The table of commands, in the order of --help.
#include "ftcore/cli/command.h"

namespace ftvm::cli {

std::span<const Command> commands() {
  static const Command table[] = {
      kRunCommand,    kRecordCommand, kReplayCommand,   kSnapshotCommand, kInspectCommand,
      kDigestCommand, kDiffCommand,   kPrimaryCommand,  kBackupCommand,   kConsoleCommand,
      kCtlCommand,    kKeygenCommand, kCampaignCommand, kDoctorCommand};
  return table;
}

int exit_code_of(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kUsage:
      return kExitUsage;
    case ErrorCode::kBadData:
    case ErrorCode::kTornTail:
    case ErrorCode::kMismatch:
      return kExitBadData;
    case ErrorCode::kDiverged:
      return kExitDiverged;
    case ErrorCode::kNoSpace:
      return kExitNoSpace;
    default:
      return kExitFailed;
  }
}

}  // namespace ftvm::cli
