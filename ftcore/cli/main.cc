// The `ftvm` program: parses options, runs one command, prints its error.
#include <fcntl.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>

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
    if (app.got_subcommand(command.name)) return run(command, options);
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
