// ftvm snapshot: the state of a machine at some moment of a recorded run, or of one made for it.
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>

#include "ftcore/cli/command.h"
#include "ftcore/cli/debug_console.h"
#include "ftcore/cli/guest_machine.h"
#include "ftcore/cli/journal_replay.h"
#include "ftcore/cli/live_run.h"
#include "ftcore/cli/resume.h"
#include "ftcore/cli/run_id.h"
#include "ftcore/cli/scripted_console.h"
#include "ftcore/cli/snapshot_taker.h"
#include "replay/machine_image.h"
#include "replay/snapshot.h"

namespace ftvm::cli {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

std::string journal_path;
std::string out_path;
std::string printed_text;
std::optional<std::uint64_t> at_tick;
std::uint64_t give_up_s = 600;

void add_options(CLI::App& app, Options&) {
  app.add_option("JOURNAL", journal_path, "Replay this; without it, a machine is run");
  app.add_option("--out", out_path, "File to write")->required();
  app.add_option("--at", at_tick, "At the first grid line (16 Mi ticks) at this tick or later");
  app.add_option("--when", printed_text, "When the console has printed this and the guest is idle");
  app.add_option("--give-up", give_up_s, "Guest seconds after which --when is given up")
      ->capture_default_str();
}

Status check_options(const Options& options) {
  if (!at_tick && printed_text.empty()) {
    return Error(ErrorCode::kUsage, "say when: --at TICK or --when \"TEXT\"");
  }
  if (!journal_path.empty() && !options.script.empty()) {
    return Error(ErrorCode::kUsage, "--script types into a machine that runs, not into a replay");
  }
  if (!options.overwrite && ::access(out_path.c_str(), F_OK) == 0) {
    return Error(ErrorCode::kUsage, "--out " + out_path + ": exists already; see --overwrite");
  }
  return {};
}

SnapshotMoment moment(GuestTime start) {
  const std::uint64_t seconds = std::min(give_up_s, GuestTime::never().ns / kNsPerSecond);
  return {.at = Tick{at_tick.value_or(0)},
          .printed = printed_text,
          .give_up = start.plus_ns(seconds * kNsPerSecond)};
}

/// What a snapshot is taken of.
struct Subject {
  GuestMachine& guest;
  World& world;
  std::array<std::uint8_t, 16> run_id;
  std::function<JournalSeq()> seq;
};

void print_taken(GuestMachine& guest, const replay::SnapshotPlace& place) {
  struct stat facts {};
  const bool known = ::stat(out_path.c_str(), &facts) == 0;
  const devices::Uart& console = guest.board().console();
  std::printf("%s: tick %llu, behind record %llu, %lld bytes; console at input %llu, output %llu\n",
              out_path.c_str(), static_cast<unsigned long long>(place.tick.value),
              static_cast<unsigned long long>(place.seq.value),
              known ? static_cast<long long>(facts.st_size) : -1LL,
              static_cast<unsigned long long>(console.next_input_offset()),
              static_cast<unsigned long long>(console.next_output_offset()));
}

Status save(const Subject& subject, Tick now) {
  replay::MachineImage image(subject.guest.machine());
  const replay::SnapshotPlace place{.tick = now, .seq = subject.seq(), .run_id = subject.run_id};
  FTVM_TRY(replay::save_snapshot(out_path, image, subject.guest.snapshot_identity(), place));
  print_taken(subject.guest, place);
  return {};
}

Error not_taken(const SnapshotTaker& taker, const RunResult& result) {
  const std::string end = "the run ended (" + end_reason_text(result.reason) + ") at tick " +
                          std::to_string(result.at.value);
  const std::string never_printed = "the guest never printed \"" + printed_text + "\"";
  const std::string never_idle = "the guest printed \"" + printed_text + "\" but was never idle";
  const std::string& why = taker.printed() ? never_idle : never_printed;
  if (taker.gave_up()) {
    return Error(ErrorCode::kTimeout,
                 why + " within " + std::to_string(give_up_s) + " guest seconds; see --give-up");
  }
  if (printed_text.empty())
    return Error(ErrorCode::kNotFound, end + ", before the snapshot was due");
  return Error(ErrorCode::kNotFound, end + ": " + why);
}

Status take(const Subject& subject) {
  Machine& machine = subject.guest.machine();
  SnapshotTaker taker(subject.world, moment(machine.now().time),
                      [&](Tick now) { return save(subject, now); });
  const RunResult result = FTVM_TRY(machine.run(taker));
  if (!taker.taken()) return not_taken(taker, result);
  return *taker.taken();
}

Result<int> run_replay(Options& options) {
  const auto replay = FTVM_TRY(JournalReplay::open(journal_path, options.machine, nullptr));
  const Status taken = take({.guest = replay->guest(),
                             .world = replay->world(),
                             .run_id = replay->reader().header().run_id,
                             .seq = [&] { return replay->world().done_seq(); }});
  // A journal that is damaged or not followed says why there is no snapshot.
  const int verdict = FTVM_TRY(replay->verdict());
  if (verdict != kExitOk) return verdict;
  FTVM_TRY(taken);
  return static_cast<int>(kExitOk);
}

Result<int> run_live(Options& options) {
  const auto clock = FTVM_TRY(clock_mode(options.machine, replay::ClockMode::kVirtual));
  const auto guest = FTVM_TRY(GuestMachine::create(options.machine, clock));
  const auto console = FTVM_TRY(make_run_console(options, "none"));
  devices::host::LiveWorld world({.clock = live_clock(clock)}, *console);
  world.set_debug_sink(FTVM_TRY(open_debug_console(options)));
  resume(world, *guest);
  const StopOnSignal signals(world);
  FTVM_TRY(take({.guest = *guest, .world = world, .run_id = random_run_id(), .seq = [&] {
                   return guest->start().seq;
                 }}));
  return static_cast<int>(kExitOk);
}

Result<int> run(Options& options) {
  FTVM_TRY(check_options(options));
  return journal_path.empty() ? run_live(options) : run_replay(options);
}

}  // namespace

const Command kSnapshotCommand{
    .name = "snapshot",
    .summary = "Save a machine at a tick of a journal, or once it has booted",
    .add_options = add_options,
    .run = run,
    .footer =
        "Examples: ftvm snapshot --at 500000000 --out half.fts boot.ftj --kernel ... --initramfs "
        "...\n"
        "          ftvm snapshot --when \"guest:\" --out booted.fts --kernel ... --initramfs "
        "...\n"
        "A machine that is run for its snapshot has a virtual clock unless --clock host is given;\n"
        "then, without --rtc, its guest catches up with the host's time of day when it goes on.\n"
        "Any other guest's time goes on from where it stood, under either clock.\n"
        "run, record, replay, primary and backup start from the file with --snapshot."};

}  // namespace ftvm::cli
