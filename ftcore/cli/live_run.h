// What every command that runs a live machine shares: the console the user asked for, signals that
// end a run cleanly, the last line about how it ended.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "devices/host/console_endpoint.h"
#include "devices/host/live_world.h"
#include "emulator/base/result.h"
#include "emulator/machine.h"
#include "ftcore/cli/guest_machine.h"
#include "ftcore/cli/options.h"
#include "replay/journal_writer.h"
#include "replay/record.h"

namespace ftvm::cli {

/// Makes the endpoint of "stdio", "none", "tcp:H:P", "unix:P"; Ctrl-A x on it is stop_run().
/// Errors: kUsage, kIo with the address.
Result<std::unique_ptr<devices::host::ConsoleEndpoint>> make_console(const std::string& text);

/// The journal file of --journal, or null. Errors: kUsage, kNotFound, kIo, kNoSpace with the
/// option.
Result<std::unique_ptr<replay::JournalWriter>> open_journal(const Options& options,
                                                            const GuestMachine& guest);

/// Why a journal did not take a record, and what followed from that.
struct JournalRefusal {
  std::optional<Error> why;
  const char* consequence = "the guest stopped because its journal could not grow";
};
/// Ends the journal, which may be null, after the run. When it did not take a record, or is not
/// whole, that is said on standard error, with how far it is good. Returns the exit code: `code`
/// unless that is 0 and the journal's is not.
int close_journal(const char* who, replay::JournalWriter* journal, const JournalRefusal& refused,
                  int code);

[[nodiscard]] constexpr devices::host::LiveWorld::Clock live_clock(replay::ClockMode mode) {
  return mode == replay::ClockMode::kHost ? devices::host::LiveWorld::Clock::kHost
                                          : devices::host::LiveWorld::Clock::kVirtual;
}

/// Asks the world of the StopOnSignal that lives now to stop; without one nothing happens.
/// Threading: any thread.
void stop_run();

/// While it lives, SIGINT and SIGTERM ask the world to stop; a second one kills the process.
/// One at a time.
class StopOnSignal {
 public:
  explicit StopOnSignal(devices::host::LiveWorld& world);
  ~StopOnSignal();
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;
};

/// "ended: power_off at tick 123 (120 instructions), state 0123..." on standard error when that is
/// a terminal or `always`.
void print_end(const RunResult& result, const Machine& machine, bool always);

/// Exit code of a run: a debug exit passes the guest's code on.
int exit_code_of(const RunResult& result);

}  // namespace ftvm::cli
