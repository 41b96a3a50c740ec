// What a user says about a machine and what its snapshot says: nothing of the former is silently
// ignored.
#pragma once

#include <string>

#include "emulator/base/result.h"
#include "ftcore/cli/options.h"
#include "replay/record.h"

namespace ftvm::cli {

/// What --command-line and --append make together.
std::string kernel_command_line(const MachineOptions& options);

/// Options that a snapshot decides may be left out or repeat what it says; files are compared by
/// their content elsewhere. Errors: kUsage naming both options and both values.
Status check_against_snapshot(const MachineOptions& options,
                              const replay::MachineIdentity& snapshot);

}  // namespace ftvm::cli
