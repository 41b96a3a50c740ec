// ftvm record: a machine on its own whose every input is written to a journal.
#include <cstdio>

#include "ftcore/cli/command.h"
#include "ftcore/cli/debug_console.h"
#include "ftcore/cli/guest_machine.h"
#include "ftcore/cli/live_run.h"
#include "ftcore/cli/resume.h"
#include "ftcore/cli/scripted_console.h"
#include "replay/recording_world.h"

namespace ftvm::cli {
namespace {

Result<int> run(Options& options) {
  if (options.journal.empty()) return Error(ErrorCode::kUsage, "no --journal FILE given");
  const replay::ClockMode clock = FTVM_TRY(clock_mode(options.machine, replay::ClockMode::kHost));
  const auto guest = FTVM_TRY(GuestMachine::create(options.machine, clock));
  const auto journal = FTVM_TRY(open_journal(options, *guest));
  const auto console = FTVM_TRY(make_run_console(options, "stdio"));
  devices::host::LiveWorld live({.clock = live_clock(clock)}, *console);
  live.set_debug_sink(FTVM_TRY(open_debug_console(options)));
  resume(live, *guest);
  replay::RecordingWorld world(
      live, *journal,
      {.last_seq = guest->start().seq, .digest_every_lines = guest->identity().digest_every_lines});
  const StopOnSignal signals(live);
  const RunResult result = FTVM_TRY(guest->machine().run(world));
  print_end(result, guest->machine(), false);
  return close_journal("ftvm record", journal.get(), {.why = world.error()}, exit_code_of(result));
}

}  // namespace

const Command kRecordCommand{
    .name = "record",
    .summary = "Run a machine and record it to a journal",
    .add_options = nullptr,
    .run = run,
    .footer =
        "Example: ftvm record --journal boot.ftj --kernel vmlinuz --initramfs initramfs.cpio.gz"};

}  // namespace ftvm::cli
