// ftvm ctl: one command to a running node.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "ftcore/cli/command.h"
#include "ftcore/transport/control_client.h"

namespace ftvm::cli {
namespace {

std::string command;

void add_options(CLI::App& app, Options&) {
  app.add_option("COMMAND", command, "status, pause, resume, stop or failover")->required();
}

Result<int> run(Options& options) {
  if (options.control.empty()) return Error(ErrorCode::kUsage, "no --control SOCKET given");
  const std::string answer =
      FTVM_TRY(ftcore::control_call({.path = options.control, .command = command}));
  if (answer != "{}") std::printf("%s\n", answer.c_str());
  return kExitOk;
}

}  // namespace

const Command kCtlCommand{
    .name = "ctl",
    .summary = "Ask or tell a running node: status, pause, resume, stop, failover",
    .add_options = add_options,
    .run = run,
    .footer = "Example: ftvm ctl --control /run/ftvm/primary.sock status"};

}  // namespace ftvm::cli
