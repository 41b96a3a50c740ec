// ftvm run: a machine on its own, nothing recorded.
#include "ftcore/cli/command.h"
#include "ftcore/cli/debug_console.h"
#include "ftcore/cli/guest_machine.h"
#include "ftcore/cli/live_run.h"
#include "ftcore/cli/resume.h"
#include "ftcore/cli/scripted_console.h"

namespace ftvm::cli {
namespace {

Result<int> run(Options& options) {
  const replay::ClockMode clock = FTVM_TRY(clock_mode(options.machine, replay::ClockMode::kHost));
  const auto guest = FTVM_TRY(GuestMachine::create(options.machine, clock));
  const auto console = FTVM_TRY(make_run_console(options, "stdio"));
  devices::host::LiveWorld world({.clock = live_clock(clock)}, *console);
  world.set_debug_sink(FTVM_TRY(open_debug_console(options)));
  resume(world, *guest);
  const StopOnSignal signals(world);
  const RunResult result = FTVM_TRY(guest->machine().run(world));
  print_end(result, guest->machine(), false);
  return exit_code_of(result);
}

}  // namespace

const Command kRunCommand{
    .name = "run",
    .summary = "Run a machine; nothing is recorded",
    .add_options = nullptr,
    .run = run,
    .footer =
        "Example: ftvm run --kernel vmlinuz --initramfs initramfs.cpio.gz\n"
        "With --snapshot FILE it goes on from there instead of booting.\n"
        "On a terminal Ctrl-A x quits; SIGINT and SIGTERM end the run cleanly."};

}  // namespace ftvm::cli
