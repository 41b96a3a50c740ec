#include "ftcore/cli/live_run.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <mutex>

#include "devices/host/null_console.h"
#include "devices/host/socket_console.h"
#include "devices/host/stdio_console.h"
#include "devices/host/terminal_mode.h"
#include "ftcore/cli/command.h"
#include "ftcore/cli/run_id.h"

namespace ftvm::cli {
namespace {

using devices::host::ConsoleEndpoint;
using devices::host::LiveWorld;

std::atomic<LiveWorld*> world_of_signals{nullptr};
std::mutex stopping;  // Of stop_run(): the world stays while it is told.

void on_stop_signal(int signal) {
  LiveWorld* world = world_of_signals.load();
  if (world == nullptr || world->stop_requested()) {
    devices::host::TerminalMode::restore_now();
    std::signal(signal, SIG_DFL);
    std::raise(signal);
    return;
  }
  world->request_stop(EndReason::kStopped);
}

}  // namespace

Result<std::unique_ptr<ConsoleEndpoint>> make_console(const std::string& text) {
  if (text == "none") return std::unique_ptr<ConsoleEndpoint>(new devices::host::NullConsole);
  if (text == "stdio") {
    return std::unique_ptr<ConsoleEndpoint>(new devices::host::StdioConsole({.on_quit = stop_run}));
  }
  if (text.starts_with("numbered:")) {
    return Error(ErrorCode::kUsage,
                 "--console " + text + ": only primary and backup number theirs");
  }
  auto address = devices::host::parse_socket_address(text);
  if (!address) return std::move(address).error().context("--console");
  auto console = devices::host::SocketConsole::create({.address = *address});
  if (!console) return std::move(console).error().context("--console");
  return std::unique_ptr<ConsoleEndpoint>(std::move(*console));
}

Result<std::unique_ptr<replay::JournalWriter>> open_journal(const Options& options,
                                                            const GuestMachine& guest) {
  if (options.journal.empty()) return std::unique_ptr<replay::JournalWriter>();
  auto journal =
      replay::JournalWriter::create({.path = options.journal, .overwrite = options.overwrite},
                                    {.identity = guest.identity(),
                                     .run_id = random_run_id(),
                                     .start = guest.start().tick,
                                     .start_seq = guest.start().seq,
                                     .start_snapshot = guest.start().snapshot});
  if (!journal) return std::move(journal).error().context("--journal");
  return journal;
}

int close_journal(const char* who, replay::JournalWriter* journal, const JournalRefusal& refused,
                  int code) {
  if (journal == nullptr) return code;
  const Status ended = journal->end();
  if (ended && !refused.why) return code;
  const Error& why = refused.why ? *refused.why : ended.error();
  std::fprintf(stderr,
               "%s: %s: %s; it is whole up to record %llu at tick %llu. Make room or use another "
               "--journal\n",
               who, refused.why ? refused.consequence : "its journal", why.message().c_str(),
               static_cast<unsigned long long>(journal->written_seq().value),
               static_cast<unsigned long long>(journal->written_tick().value));
  return code != kExitOk ? code : exit_code_of(why);
}

void stop_run() {
  const std::lock_guard lock(stopping);
  if (LiveWorld* world = world_of_signals.load()) world->request_stop(EndReason::kStopped);
}

StopOnSignal::StopOnSignal(LiveWorld& world) {
  world_of_signals.store(&world);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action {};
    action.sa_handler = on_stop_signal;
    sigaction(signal, &action, nullptr);
  }
}

StopOnSignal::~StopOnSignal() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, SIG_DFL);
  const std::lock_guard lock(stopping);
  world_of_signals.store(nullptr);
}

void print_end(const RunResult& result, const Machine& machine, bool always) {
  if (!always && isatty(2) == 0) return;
  std::fprintf(
      stderr, "ended: %s at tick %llu (%llu instructions), state %s\n",
      end_reason_text(result.reason).c_str(), static_cast<unsigned long long>(result.at.value),
      static_cast<unsigned long long>(machine.cpu().retired()), result.state.hex().c_str());
}

int exit_code_of(const RunResult& result) {
  switch (result.reason) {
    case EndReason::kDebugExit:
      return static_cast<int>(result.exit_code & 0xff);
    case EndReason::kDiskFull:
      return kExitNoSpace;
    case EndReason::kDiverged:
      return kExitDiverged;
    case EndReason::kHalted:
      return kExitHalted;
    default:
      return kExitOk;
  }
}

}  // namespace ftvm::cli
