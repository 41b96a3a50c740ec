// The commands of `ftvm`: an explicit table, because order is what --help shows.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "emulator/base/result.h"
#include "ftcore/cli/options.h"

namespace CLI {
class App;
}

namespace ftvm::cli {

/// Exit codes of the process, the same for every command.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailed = 1,    // The thing asked for did not work; the message says what and where.
  kExitUsage = 2,     // Options are off.
  kExitBadData = 3,   // A journal, snapshot, image or peer is damaged or of another machine.
  kExitDiverged = 4,  // A replay computed something else than its journal says.
  kExitHalted = 5,    // This node lost its arbitration or saw a higher epoch.
  kExitNoSpace = 6,   // The journal's disk is full.
};

struct Command {
  const char* name;
  const char* summary;
  /// Adds the command's own options; what it stores must live as long as the process.
  void (*add_options)(CLI::App&, Options&);
  /// Returns the exit code, or an error that main prints and maps to one.
  Result<int> (*run)(Options&);
  const char* footer;  // Examples.
};

std::span<const Command> commands();
int exit_code_of(const Error& error);

// One per file cmd_<name>.cc.
extern const Command kRunCommand;
extern const Command kRecordCommand;
extern const Command kReplayCommand;
extern const Command kCampaignCommand;
extern const Command kDoctorCommand;
extern const Command kInspectCommand;
extern const Command kDigestCommand;
extern const Command kDiffCommand;
extern const Command kSnapshotCommand;
extern const Command kPrimaryCommand;
extern const Command kBackupCommand;
extern const Command kConsoleCommand;
extern const Command kCtlCommand;
extern const Command kKeygenCommand;

}  // namespace ftvm::cli
