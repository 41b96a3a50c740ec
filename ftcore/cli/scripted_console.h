// A console on which a script types and a screen shows. Who watches cannot type: what the guest is
// given is the script and nothing else, so that a run under the virtual clock is the same each
// time.
#pragma once

#include <functional>
#include <memory>

#include "devices/host/console_endpoint.h"
#include "devices/host/script_console.h"
#include "emulator/base/result.h"
#include "ftcore/cli/options.h"
#include "ftcore/cli/script_file.h"

namespace ftvm::cli {

class ScriptedConsole final : public devices::host::ConsoleEndpoint {
 public:
  /// `screen` may be null. `on_stop` is called when a script that ends with `stop` comes there, on
  /// the thread that wrote.
  ScriptedConsole(ScriptFile script, std::unique_ptr<devices::host::ConsoleEndpoint> screen,
                  const std::function<void()>& on_stop);

  std::size_t take_input(Bytes& out, std::size_t max) override;
  void write(std::uint64_t offset, ByteView bytes) override;
  void set_wakeup(std::function<void()> wakeup) override;
  void end(EndReason reason) override;

 private:
  devices::host::ScriptConsole script_;
  std::unique_ptr<devices::host::ConsoleEndpoint> screen_;
};

/// The console of a live run: options.console (or `by_default`), or options.script in front of it.
/// Ctrl-A x, and the script's `stop`, are stop_run(). Errors: kUsage, kNotFound, kIo.
Result<std::unique_ptr<devices::host::ConsoleEndpoint>> make_run_console(const Options& options,
                                                                         const char* by_default);

}  // namespace ftvm::cli
