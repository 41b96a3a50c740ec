// ftvm console: one uninterrupted console over both nodes of a pair.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "devices/host/numbered_console_client.h"
#include "ftcore/cli/command.h"

namespace ftvm::cli {
namespace {

std::vector<std::string> nodes;
bool verbose = false;
bool quit_at_eof = false;

void add_options(CLI::App& app, Options&) {
  app.add_option("--connect", nodes, "Console addresses of both nodes, separated by a comma")
      ->required()
      ->delimiter(',');
  app.add_flag("--verbose,-v", verbose, "Say what happens to the connection, also into a pipe");
  app.add_flag("--quit-at-eof", quit_at_eof, "End when the input ends and was delivered");
}

Result<int> run(Options& options) {
  devices::host::ConsoleClientOptions client{
      .pair = options.pair.name, .verbose = verbose, .quit_at_eof = quit_at_eof};
  for (const std::string& node : nodes) {
    auto address = devices::host::parse_socket_address(node);
    if (!address) return std::move(address).error().context("--connect");
    client.nodes.push_back(*address);
  }
  FTVM_TRY(devices::host::run_console_client(client));
  return kExitOk;
}

}  // namespace

const Command kConsoleCommand{
    .name = "console",
    .summary = "Console of a pair: follows whichever node is live",
    .add_options = add_options,
    .run = run,
    .footer =
        "Example: ftvm console --connect 127.0.0.1:7500,127.0.0.1:7501\n"
        "Ctrl-A x quits; each output byte is shown once, each typed byte delivered once."};

}  // namespace ftvm::cli
