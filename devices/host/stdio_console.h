// The console on standard input and output: a terminal in raw mode with QEMU's escape keys, or a
// pipe, whose bytes are passed as they are.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "devices/host/byte_fifo.h"
#include "devices/host/console_endpoint.h"
#include "devices/host/console_escape.h"
#include "devices/host/console_inbox.h"
#include "devices/host/terminal_mode.h"
#include "devices/host/wake_event.h"
#include "emulator/base/thread_annotations.h"

namespace ftvm::devices::host {

/// A thread of its own moves the bytes, so neither a slow terminal nor a stopped pager holds the
/// vCPU up; what does not fit into the output buffer is dropped and counted.
class StdioConsole final : public ConsoleEndpoint {
 public:
  struct Options {
    /// Borrowed; their flags are not changed, since a shell shares them.
    int in_fd = 0;
    int out_fd = 1;
    /// Ctrl-A x was typed. Called on the console's thread; only on a terminal.
    std::function<void()> on_quit = nullptr;
    std::size_t output_bytes_max = std::size_t{8} << 20;
  };

  explicit StdioConsole(Options options);
  /// Writes what is left, as long as the other side takes it, and gives the terminal back.
  ~StdioConsole() override;

  std::size_t take_input(Bytes& out, std::size_t max) override;
  void write(std::uint64_t offset, ByteView bytes) override;
  void set_wakeup(std::function<void()> wakeup) override;

  [[nodiscard]] std::uint64_t dropped_bytes() const { return dropped_bytes_.load(); }

 private:
  void serve();
  void read_some();
  void write_some();
  [[nodiscard]] bool output_waits() FTVM_EXCLUDES(mutex_);

  const Options options_;
  TerminalMode terminal_;
  ConsoleEscape escape_;  // Of the thread.
  ConsoleInbox inbox_;
  WakeEvent wake_;
  bool in_open_ = true;  // Of the thread.
  std::atomic<bool> out_open_{true};
  std::atomic<bool> closing_{false};
  std::atomic<std::uint64_t> dropped_bytes_{0};

  Mutex mutex_;
  ByteFifo output_ FTVM_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace ftvm::devices::host
