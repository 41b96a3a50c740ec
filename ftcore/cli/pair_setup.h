// Plugs one node of a pair together: console, channel, heartbeats, arbiter, control socket and the
// guest they are for.
#pragma once

#include <memory>
#include <string>

#include "devices/host/live_world.h"
#include "devices/host/numbered_console.h"
#include "ftcore/cli/guest_machine.h"
#include "ftcore/cli/options.h"
#include "ftcore/node/node.h"
#include "replay/journal_writer.h"

namespace ftvm::cli {

/// The console of a node: numbered when the option says so, which is the default of a pair.
struct PairConsole {
  std::unique_ptr<devices::host::ConsoleEndpoint> endpoint;
  devices::host::NumberedConsole* numbered = nullptr;  // Inside endpoint, if it is one.
};
Result<PairConsole> make_pair_console(const Options& options);

/// Everything of a node but its session and guest. Errors: kUsage, kIo, each naming the option.
struct PairParts {
  ftcore::NodeParts parts;
  std::string arbiter;  // Canonical text; both sides must have the same.
  std::uint16_t heartbeat_port = 0;
};
Result<PairParts> make_pair_parts(const Options& options, ftcore::HeartbeatSide side);

/// A new header for a journal that has nothing but one: the machine's identity has changed.
Status reopen_journal(Options options, const GuestMachine& guest,
                      std::unique_ptr<replay::JournalWriter>& journal);

/// `ftvm ctl` for this node, when --control is given.
Status open_control(const Options& options, ftcore::Node& node, devices::host::LiveWorld& world);

/// Prints how a node ended and picks the exit code.
int report_node_end(const char* role, const RunResult& result, const Machine& machine,
                    const std::string& note);

}  // namespace ftvm::cli
