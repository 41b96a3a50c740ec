// The `ftvm` program: parses options, runs one command, prints its error.
#include <fcntl.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/base/diag.h"
#include "ftcore/cli/command.h"
#include "ftcore/cli/option_groups.h"

namespace {

using namespace ftvm;

int open_diag(const cli::Options& options, const char* command) {
  if (options.diag.empty()) return -1;
  const int fd = options.diag == "-" ? 2
                                     : ::open(options.diag.c_str(),
                                              O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  DiagLevel level = DiagLevel::kInfo;
  if (options.diag_level == "debug") level = DiagLevel::kDebug;
  if (options.diag_level == "warn") level = DiagLevel::kWarn;
  if (options.diag_level == "error") level = DiagLevel::kError;
  diag_configure(fd, level, options.name.empty() ? command : options.name);
  return fd;
}

/// Shared options that only some commands obey. In the config file, which serves all of them, they
/// may stand; who types one where it does nothing means something else.
struct Selective {
  std::string_view option;
  std::vector<std::string_view> commands;
};
const Selective kSelective[] = {
    {"--console", {"run", "record", "snapshot", "primary", "backup"}},
    {"--debug-console", {"run", "record", "replay", "snapshot", "primary", "backup"}},
    {"--script", {"run", "record", "snapshot"}},
    {"--journal", {"record", "primary", "backup", "doctor"}},
    {"--control", {"primary", "backup", "ctl"}},
};

bool refuse_idle_options(const cli::Command& command, std::span<char*> arguments) {
  for (const std::string_view argument : arguments) {
    if (argument == "--") break;
    const std::string_view name = argument.substr(0, argument.find('='));
    for (const auto& [option, obeying] : kSelective) {
      if (name != option || std::ranges::find(obeying, command.name) != obeying.end()) continue;
      std::string others;
      for (const std::string_view each : obeying) (others += others.empty() ? "" : ", ") += each;
      std::fprintf(stderr, "ftvm %s: %s does nothing here; it is for %s\n", command.name,
                   std::string(option).c_str(), others.c_str());
      return true;
    }
  }
  return false;
}

int run(const cli::Command& command, cli::Options& options) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // A journal at its size limit is a full disk, not a death.
  if (open_diag(options, command.name) < 0 && !options.diag.empty()) {
    std::fprintf(stderr, "ftvm %s: --diag %s: cannot be opened\n", command.name,
                 options.diag.c_str());
    return cli::kExitUsage;
  }
  auto result = command.run(options);
  if (result) return *result;
  std::fprintf(stderr, "ftvm %s: %s\n", command.name, result.error().message().c_str());
  return cli::exit_code_of(result.error());
}

int parse_and_run(int argc, char** argv) {
  CLI::App app{"ftvm: one x86 PC, recorded, replayed and kept alive on two hosts", "ftvm"};
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", FTVM_VERSION);
  app.set_config("--config", "",
                 "TOML file with any of these options; both sides of a pair share one");
  app.allow_config_extras(CLI::config_extras_mode::error);  // A misspelt key is no default.
  app.footer(
      "Exit codes: 0 ok, 1 failed, 2 usage, 3 bad data or another machine's, 4 diverged,\n"
      "5 halted by the other node, 6 journal disk full. Try: ftvm COMMAND --help");
  cli::Options options;
  cli::add_shared_options(app, options);
  for (const cli::Command& command : cli::commands()) {
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    sub->fallthrough();
    sub->footer(std::string(command.footer) +
                "\nOptions that commands share are listed by: ftvm --help");
    if (command.add_options != nullptr) command.add_options(*sub, options);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? cli::kExitOk : cli::kExitUsage;
  }
  for (const cli::Command& command : cli::commands()) {
    if (!app.got_subcommand(command.name)) continue;
    if (refuse_idle_options(command, {argv, static_cast<std::size_t>(argc)})) break;
    return run(command, options);
  }
  return cli::kExitUsage;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return parse_and_run(argc, argv);
  } catch (const std::exception& error) {  // Of a library: out of memory, for example.
    std::fputs("ftvm: ", stderr);
    std::fputs(error.what(), stderr);
    std::fputs("\n", stderr);
    return cli::kExitFailed;
  }
}
