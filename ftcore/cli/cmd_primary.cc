// ftvm primary: the node that talks to the world while a backup follows it.
#include <cstdio>
#include <memory>

#include "ftcore/cli/command.h"
#include "ftcore/cli/debug_console.h"
#include "ftcore/cli/live_run.h"
#include "ftcore/cli/pair_setup.h"
#include "ftcore/cli/resume.h"
#include "ftcore/node/live_half.h"
#include "ftcore/protocol/primary_session.h"
#include "ftcore/transport/secret.h"

namespace ftvm::cli {
namespace {

ftcore::PrimarySession::Options session_options(const Options& options, const PairParts& parts,
                                                const GuestMachine& guest) {
  ftcore::PrimarySession::Options session{.pair = ftcore::random_uuid(),
                                          .incarnation = ftcore::random_uuid(),
                                          .identity = guest.identity(),
                                          .start_seq = guest.start().seq,
                                          .start = guest.start().tick,
                                          .start_snapshot = guest.start().snapshot,
                                          .arbiter = parts.arbiter,
                                          .heartbeat_port = parts.heartbeat_port,
                                          .detection_ms = options.pair.detection_ms,
                                          .heartbeat_ms = options.pair.heartbeat_ms,
                                          .alone = options.pair.alone};
  ftcore::fill_random(session.heartbeat_key);
  session.lag.target_ms = options.pair.lag_target_ms;
  session.buffer.bytes_max = std::uint64_t{options.pair.buffer_mib} << 20;
  return session;
}

/// Stays until the protocol says that the run is over: the last acknowledgement, or the arbiter.
std::string wait_for_end(ftcore::Node& node, const devices::host::LiveWorld& world) {
  const bool asked_before = world.stop_requested();
  while (true) {
    const ftcore::Orders orders = node.take_orders();
    if (orders.halted) return *orders.halted;
    if (orders.finished) return orders.finished->note;
    if (!asked_before && world.stop_requested()) node.on_leave();
    node.wait_for_orders();
  }
}

Result<int> run(Options& options) {
  const replay::ClockMode clock = FTVM_TRY(clock_mode(options.machine, replay::ClockMode::kHost));
  const auto guest = FTVM_TRY(GuestMachine::create(options.machine, clock));
  const auto journal = FTVM_TRY(open_journal(options, *guest));
  const PairConsole console = FTVM_TRY(make_pair_console(options));
  devices::host::LiveWorld live({.clock = live_clock(clock), .releases = false}, *console.endpoint);
  const StopOnSignal signals(live);
  resume(live, *guest);
  // However long it waits for a backup: the time of day it then starts with is the host's.
  if (guest->start().at_power_on() && !guest->time_given()) {
    live.anchor_clock(guest->machine().now().time);
  }
  PairParts parts = FTVM_TRY(make_pair_parts(options, ftcore::HeartbeatSide::kPrimary));
  parts.parts.console = console.endpoint.get();
  parts.parts.debug_sink = FTVM_TRY(open_debug_console(options));
  const auto session = session_options(options, parts, *guest);
  ftcore::Node node(std::move(parts.parts),
                    std::make_unique<ftcore::PrimarySession>(session, ftcore::Node::now()),
                    ftcore::HeartbeatSide::kPrimary, session.incarnation);
  node.set_console_offset(guest->board().console().next_output_offset());
  FTVM_TRY(open_control(options, node, live));
  node.set_wakeup([&live] { live.wake(); });
  ftcore::LiveHalf half(live, node);
  ftcore::RecordTee tee(node, journal.get());
  replay::RecordingWorld world(
      half, tee,
      {.last_seq = guest->start().seq, .digest_every_lines = guest->identity().digest_every_lines});
  half.set_recording(world);
  if (console.numbered != nullptr) {
    half.on_epoch([&console](Epoch epoch) { console.numbered->set_live(epoch); });
    console.numbered->set_live(session.alone ? Epoch{} : session.epoch);
  }
  if (options.pair.alone) {
    std::fprintf(stderr, "primary: alone, without a channel\n");
  } else {
    std::fprintf(stderr, "primary: channel %s, waiting for a backup\n",
                 options.pair.channel.c_str());
  }
  node.start();
  const RunResult result = FTVM_TRY(guest->machine().run(world));
  const std::string note = half.note().empty() ? wait_for_end(node, live) : half.note();
  console.endpoint->end(result.reason);
  const int code = report_node_end("primary", result, guest->machine(), note);
  return close_journal("primary", journal.get(), {.why = world.error()}, code);
}

}  // namespace

const Command kPrimaryCommand{
    .name = "primary",
    .summary = "Run a machine whose backup takes over when this process dies",
    .add_options = nullptr,
    .run = run,
    .footer = "Example: ftvm primary --config machine.toml --console numbered:127.0.0.1:7500"};

}  // namespace ftvm::cli
