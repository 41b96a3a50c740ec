#include "ftcore/cli/snapshot_options.h"

#include "ftcore/cli/identity_text.h"

namespace ftvm::cli {
namespace {

Error conflict(const MachineOptions& options, const std::string& option, const std::string& value,
               const std::string& theirs) {
  return Error(ErrorCode::kUsage, option + value + " and --snapshot " + options.snapshot +
                                      ": the snapshot's machine " + theirs + "; leave " + option +
                                      " out, or boot without --snapshot");
}

std::string quoted(const std::string& text) {
  return "\"" + one_line(text) + "\"";
}

}  // namespace

std::string kernel_command_line(const MachineOptions& options) {
  std::string text = options.command_line.empty() ? kDebianCommandLine : options.command_line;
  if (!options.append.empty()) text += " " + options.append;
  return text;
}

Status check_against_snapshot(const MachineOptions& options,
                              const replay::MachineIdentity& snapshot) {
  const std::uint64_t ram_mib = snapshot.ram_bytes >> 20;
  if (options.ram_mib.value_or(ram_mib) != ram_mib) {
    return conflict(options, "--ram", " " + std::to_string(*options.ram_mib),
                    "has " + std::to_string(ram_mib));
  }
  const bool line_given = !options.command_line.empty() || !options.append.empty();
  if (line_given && kernel_command_line(options) != snapshot.command_line) {
    const bool appended = !options.append.empty();
    return conflict(options, appended ? "--append" : "--command-line",
                    " " + quoted(appended ? options.append : options.command_line),
                    "was booted with " + quoted(snapshot.command_line));
  }
  if (options.rtc.value_or(snapshot.boot_unix_s) != snapshot.boot_unix_s) {
    return conflict(options, "--rtc", " " + std::to_string(*options.rtc),
                    "was powered on at " + std::to_string(snapshot.boot_unix_s));
  }
  if (options.no_reboot && !snapshot.board.ends_with("no-reboot\n")) {
    return conflict(options, "--no-reboot", "", "reboots");
  }
  return {};
}

}  // namespace ftvm::cli
