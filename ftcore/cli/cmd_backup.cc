// ftvm backup: the node that replays its primary in lockstep and goes on when that is lost.
#include <cstdio>
#include <memory>

#include "ftcore/cli/command.h"
#include "ftcore/cli/debug_console.h"
#include "ftcore/cli/live_run.h"
#include "ftcore/cli/pair_setup.h"
#include "ftcore/node/backup_world.h"
#include "ftcore/protocol/backup_session.h"
#include "ftcore/transport/secret.h"

namespace ftvm::cli {
namespace {

ftcore::BackupWorld::Options world_options(GuestMachine& guest, const PairConsole& console) {
  return {.start_seq = guest.start().seq,
          .start = guest.start().tick,
          .digest_every_lines = guest.identity().digest_every_lines,
          .console_input = guest.board().console().next_input_offset(),
          .console_output = guest.board().console().next_output_offset(),
          .on_live =
              [&console](Epoch epoch, std::uint64_t next_input) {
                if (console.numbered == nullptr) return;
                console.numbered->set_input_expected(next_input);
                console.numbered->set_live(epoch);
              },
          .on_console =
              [&console](std::uint64_t offset, ByteView bytes) {
                if (console.numbered != nullptr) console.numbered->publish(offset, bytes);
              },
          .place_text = [&guest] { return guest.place_text(); }};
}

/// The machine powers on at its primary's time of day, which the handshake brings.
Status take_time(const Options& options, ftcore::BackupWorld& world, GuestMachine& guest,
                 std::unique_ptr<replay::JournalWriter>& journal) {
  const std::optional<std::int64_t> boot_unix_s = world.wait_for_boot_time();
  if (!boot_unix_s) return {};
  guest.set_boot_time(*boot_unix_s);
  return reopen_journal(options, guest, journal);
}

Result<int> run(Options& options) {
  if (options.pair.alone) {
    return Error(ErrorCode::kUsage, "--alone is for a primary: a backup has nothing to do alone");
  }
  const replay::ClockMode clock = FTVM_TRY(clock_mode(options.machine, replay::ClockMode::kHost));
  const auto guest = FTVM_TRY(GuestMachine::create(options.machine, clock));
  const bool takes_time = guest->start().at_power_on() && !guest->time_given();
  if (takes_time) guest->set_boot_time(0);
  // Opened early: what is wrong with it is better found before the pair depends on this node.
  auto journal = FTVM_TRY(open_journal(options, *guest));
  const PairConsole console = FTVM_TRY(make_pair_console(options));
  devices::host::LiveWorld live({.clock = live_clock(clock), .releases = false}, *console.endpoint);
  const StopOnSignal signals(live);
  PairParts parts = FTVM_TRY(make_pair_parts(options, ftcore::HeartbeatSide::kBackup));
  parts.parts.console = console.endpoint.get();
  parts.parts.debug_sink = FTVM_TRY(open_debug_console(options));
  const ftcore::BackupSession::Options session{.incarnation = ftcore::random_uuid(),
                                               .identity = guest->identity(),
                                               .takes_time = takes_time,
                                               .start_seq = guest->start().seq,
                                               .start = guest->start().tick,
                                               .start_snapshot = guest->start().snapshot,
                                               .arbiter = parts.arbiter,
                                               .heartbeat_port = parts.heartbeat_port};
  ftcore::Node node(std::move(parts.parts),
                    std::make_unique<ftcore::BackupSession>(session, ftcore::Node::now()),
                    ftcore::HeartbeatSide::kBackup, session.incarnation);
  node.set_console_offset(guest->board().console().next_output_offset());
  FTVM_TRY(open_control(options, node, live));
  node.set_wakeup([&live] { live.wake(); });
  ftcore::BackupWorld world(world_options(*guest, console), live, node);
  std::fprintf(stderr, "backup: channel %s\n", options.pair.channel.c_str());
  node.start();
  if (takes_time) FTVM_TRY(take_time(options, world, *guest, journal));
  if (journal) world.set_file(*journal);
  const RunResult result = FTVM_TRY(guest->machine().run(world));
  world.finish(result.at, result.reason, result.state);
  console.endpoint->end(result.reason);
  const int code = report_node_end("backup", result, guest->machine(), world.note());
  JournalRefusal refused{.why = world.journal_error()};
  if (world.journal_lost()) {
    refused = {.why = world.journal_lost(),
               .consequence = "its journal could not grow, the pair went on without it"};
  }
  return close_journal("backup", journal.get(), refused, code);
}

}  // namespace

const Command kBackupCommand{
    .name = "backup",
    .summary = "Follow a primary in lockstep and take over when it is lost",
    .add_options = nullptr,
    .run = run,
    .footer = "Example: ftvm backup --config machine.toml --console numbered:127.0.0.1:7501"};

}  // namespace ftvm::cli
