// The console as raw bytes on a TCP or Unix socket, for telnet, socat and test harnesses. One
// client at a time; another is told so and closed. A failover is visible here: see
// numbered_console.h for the console that hides it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>

#include "devices/host/console_endpoint.h"
#include "devices/host/console_inbox.h"
#include "devices/host/console_ring.h"
#include "devices/host/socket_address.h"
#include "devices/host/wake_event.h"
#include "emulator/base/result.h"
#include "emulator/base/thread_annotations.h"

namespace ftvm::devices::host {

/// Output that no client has taken yet is kept up to a limit, so who connects late still reads the
/// boot. A client that reads too slowly loses the oldest bytes (counted); one that reads nothing
/// while a whole buffer passes is cut.
class SocketConsole final : public ConsoleEndpoint {
 public:
  struct Options {
    SocketAddress address;
    std::size_t output_bytes_max = std::size_t{256} << 10;
  };

  /// Errors: of listen_on().
  static Result<std::unique_ptr<SocketConsole>> create(Options options);
  /// Gives the client a moment to take the rest.
  ~SocketConsole() override;

  std::size_t take_input(Bytes& out, std::size_t max) override;
  void write(std::uint64_t offset, ByteView bytes) override;
  void set_wakeup(std::function<void()> wakeup) override;

  /// The address with the port the kernel chose.
  [[nodiscard]] const SocketAddress& address() const { return options_.address; }
  [[nodiscard]] std::uint64_t dropped_bytes() const { return dropped_bytes_.load(); }

 private:
  SocketConsole(Options options, ScopedFd listener);
  void serve();
  void welcome();
  void read_some();
  void write_some() FTVM_EXCLUDES(mutex_);
  bool output_waits() FTVM_EXCLUDES(mutex_);
  void hang_up(const char* why);

  const Options options_;
  const ScopedFd listener_;
  ConsoleInbox inbox_;
  WakeEvent wake_;
  std::atomic<bool> closing_{false};
  std::atomic<std::uint64_t> dropped_bytes_{0};

  Mutex mutex_;
  ConsoleRing ring_ FTVM_GUARDED_BY(mutex_);

  // Of the thread.
  ScopedFd client_;
  std::uint64_t sent_ = 0;  // Offset of the next byte for a client.
  bool progress_ = false;   // The client took bytes since the ring last overtook it.
  std::thread thread_;
};

}  // namespace ftvm::devices::host
