#include "ftcore/cli/scripted_console.h"

#include <string>
#include <utility>

#include "devices/host/stdio_console.h"
#include "ftcore/cli/live_run.h"

namespace ftvm::cli {

using devices::host::ConsoleEndpoint;
using devices::host::StdioConsole;

ScriptedConsole::ScriptedConsole(ScriptFile script, std::unique_ptr<ConsoleEndpoint> screen,
                                 const std::function<void()>& on_stop)
    : script_(std::move(script.steps), script.stops ? on_stop : nullptr),
      screen_(std::move(screen)) {}

std::size_t ScriptedConsole::take_input(Bytes& out, std::size_t max) {
  return script_.take_input(out, max);
}

void ScriptedConsole::write(std::uint64_t offset, ByteView bytes) {
  if (screen_) screen_->write(offset, bytes);
  script_.write(offset, bytes);
}

void ScriptedConsole::set_wakeup(std::function<void()> wakeup) {
  script_.set_wakeup(std::move(wakeup));
}

void ScriptedConsole::end(EndReason reason) {
  if (screen_) screen_->end(reason);
}

Result<std::unique_ptr<ConsoleEndpoint>> make_run_console(const Options& options,
                                                          const char* by_default) {
  const std::string text = options.console.empty() ? by_default : options.console;
  if (options.script.empty()) return make_console(text);
  if (text != "stdio" && text != "none") {
    return Error(ErrorCode::kUsage, "--console " + text + ": with --script use stdio or none");
  }
  ScriptFile script = FTVM_TRY(read_script(options.script));
  std::unique_ptr<ConsoleEndpoint> screen;
  // No descriptor to read from: what is typed, or stands in a pipe, is not for this guest.
  if (text == "stdio") screen = std::make_unique<StdioConsole>(StdioConsole::Options{.in_fd = -1});
  return std::unique_ptr<ConsoleEndpoint>(
      new ScriptedConsole(std::move(script), std::move(screen), stop_run));
}

}  // namespace ftvm::cli
