// The failover-proof console: a TCP (or Unix) server whose client (`ftvm console`) sees each byte
// once and loses none, whichever node of the pair is live. NumberedHub holds the rules; here are
// the sockets and the thread.
//
// Without encryption or passwords: whoever reaches the port has the guest's console. Loopback or a
// trusted network only.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "devices/host/console_endpoint.h"
#include "devices/host/console_inbox.h"
#include "devices/host/host_clock.h"
#include "devices/host/numbered_hub.h"
#include "devices/host/socket_address.h"
#include "devices/host/wake_event.h"
#include "emulator/base/result.h"
#include "emulator/base/thread_annotations.h"

namespace ftvm::devices::host {

/// Starts as a standby. Order for a node that goes live: publish() all output of the drained
/// journal, set_input_expected(), set_live().
class NumberedConsole final : public ConsoleEndpoint {
 public:
  struct Options {
    SocketAddress address;
    NumberedHub::Options hub = {};
  };

  /// Errors: of listen_on().
  static Result<std::unique_ptr<NumberedConsole>> create(Options options);
  /// Lets the clients take the rest for about a second, then closes.
  ~NumberedConsole() override;

  // ConsoleEndpoint. write() is publish().
  std::size_t take_input(Bytes& out, std::size_t max) override;
  void write(std::uint64_t offset, ByteView bytes) override { publish(offset, bytes); }
  void set_wakeup(std::function<void()> wakeup) override;
  /// Typed bytes before `offset` will never be asked for again: the client may forget them.
  void confirm_input(std::uint64_t offset) override FTVM_EXCLUDES(mutex_);
  /// Told to the clients of a live node, behind the last output.
  void end(EndReason reason) override FTVM_EXCLUDES(mutex_);
  /// See NumberedHub::confirmed.
  [[nodiscard]] std::uint64_t confirmed_output() override FTVM_EXCLUDES(mutex_);

  // Threading: any thread.

  /// Output into the ring. A standby publishes what it computes, a live node what was released.
  void publish(std::uint64_t offset, ByteView bytes) FTVM_EXCLUDES(mutex_);
  /// From now on this node streams, and takes typed bytes. Again with a higher epoch when the peer
  /// was lost.
  void set_live(Epoch epoch) FTVM_EXCLUDES(mutex_);
  /// The next typed byte that the guest's journal does not have. Forgets what was typed here but
  /// never delivered: the clients repeat it. Not while a LiveWorld has fetched input.
  void set_input_expected(std::uint64_t offset) FTVM_EXCLUDES(mutex_);
  /// The address with the port the kernel chose.
  [[nodiscard]] const SocketAddress& address() const { return address_; }

 private:
  using Connection = NumberedHub::Connection;
  struct Peer {
    ScopedFd fd;
    bool finished = false;  // We have said all; what it still says is not heard.
    /// Closed then: a client that does not say hello, or does not leave when told to.
    HostTime deadline = HostTime::never();
  };

  NumberedConsole(Options options, ScopedFd listener);
  void serve();
  void poll_once(bool closing);
  void prepare(Connection id, Peer& peer, bool closing, HostTime now);
  void welcome();
  void read_some(Connection id, Peer& peer);
  void write_some(Connection id, Peer& peer);
  void forget(Connection id, Peer& peer);
  void notify();

  const SocketAddress address_;
  const ScopedFd listener_;
  ConsoleInbox inbox_;
  WakeEvent wake_;
  std::atomic<bool> notified_{false};
  std::atomic<bool> closing_{false};

  mutable Mutex mutex_;
  NumberedHub hub_ FTVM_GUARDED_BY(mutex_);

  // Of the thread.
  HostClock clock_;
  std::map<Connection, Peer> peers_;
  Connection next_connection_ = 1;
  std::thread thread_;
};

}  // namespace ftvm::devices::host
