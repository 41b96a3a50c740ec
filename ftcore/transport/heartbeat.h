// Heartbeats of a pair: a thread of its own tells the peer "I am here, and my vCPU stands there"
// every few milliseconds, whatever the node's other threads do. What the peer says stays in the
// socket until somebody asks: the system notes when it came, and to wake a thread for each of them
// would cost a busy machine as much again.
//
// It passes on what arrived and when; whether silence means death is the failure detector's to say.
// A datagram that is not authentic, of another session, or not newer than the last one is counted
// and dropped.
//
// Source: docs/formats/wire.md, "Heartbeats".
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "emulator/base/result.h"
#include "emulator/base/scoped_fd.h"
#include "emulator/base/thread_annotations.h"
#include "emulator/base/units.h"
#include "ftcore/protocol/message.h"
#include "ftcore/transport/heartbeat_codec.h"
#include "ftcore/transport/udp_socket.h"

namespace ftvm::ftcore {

struct HeartbeatOptions {
  UdpEndpoint bind;  // Numeric address; port 0 lets the system choose.
};

/// What both nodes agreed on in their handshake.
struct HeartbeatSession {
  Uuid session;
  Epoch epoch;
  HeartbeatKey key{};
  HeartbeatSide side = HeartbeatSide::kPrimary;  // Mine.
  UdpEndpoint peer;                              // Numeric.
  std::uint32_t heartbeat_ms = 20;               // Range: 1 to kHeartbeatMsMax.
};
inline constexpr std::uint32_t kHeartbeatMsMax = 60'000;

struct ReceivedHeartbeat {
  Heartbeat heartbeat;
  HostTime at;  // When it came; CLOCK_MONOTONIC.
};

/// Datagrams since the socket was opened, as far as they were taken from it.
struct HeartbeatCounters {
  std::uint64_t sent = 0;
  std::uint64_t not_sent = 0;  // The system refused (no route, no buffer).
  std::uint64_t accepted = 0;
  std::uint64_t rejected = 0;  // Not a heartbeat of this session's peer.
  std::uint64_t stale = 0;     // Authentic, but not newer than the last one.
};

/// Threading: set_progress() and set_paused() from any thread, the rest from one.
class HeartbeatLink {
 public:
  /// Binds and starts the thread; nothing is sent before start_session(). Errors: kUsage for the
  /// address, kIo when the port is taken or the host is out of descriptors or threads.
  static Result<std::unique_ptr<HeartbeatLink>> open(const HeartbeatOptions& options);
  ~HeartbeatLink();
  HeartbeatLink(const HeartbeatLink&) = delete;
  HeartbeatLink& operator=(const HeartbeatLink&) = delete;

  /// The port in use, for the handshake.
  [[nodiscard]] std::uint16_t port() const { return socket_.port(); }

  /// From now on heartbeats of this session are sent, at once and then every `heartbeat_ms`, and
  /// only those are accepted, of what is in the socket, too. The number starts again. Errors:
  /// kUsage for the peer's address or the interval.
  Status start_session(const HeartbeatSession& session);
  /// Falls silent and accepts nothing.
  void stop_session();

  /// Where the vCPU stands. Costs one relaxed store.
  void set_progress(Tick tick) { progress_.store(tick.value, std::memory_order_relaxed); }
  /// The operator paused the machine: no progress is no failure.
  void set_paused(bool paused) { paused_.store(paused, std::memory_order_relaxed); }

  /// The oldest heartbeat not yet taken, if any; never blocks. Nobody is woken for it, so look
  /// before the failure detector judges. Of one that nobody takes for seconds the system drops what
  /// comes later.
  std::optional<ReceivedHeartbeat> poll() FTVM_EXCLUDES(mutex_);

  [[nodiscard]] HeartbeatCounters counters() const;

 private:
  /// Garbage in a row; the rest waits for the next call.
  static constexpr int kDatagramsPerPollMax = 1'000;

  enum Counter : std::size_t { kSent, kNotSent, kAccepted, kRejected, kStale, kCounters };

  /// What the thread works with.
  struct Active {
    HeartbeatSession session;
    UdpAddress peer;
    std::uint64_t last_sent = 0;
    std::pair<Epoch, std::uint64_t> last_accepted{};
  };

  explicit HeartbeatLink(UdpSocket socket) : socket_(std::move(socket)) {}
  Status set_up();
  Status arm_timer(std::uint32_t interval_ms) FTVM_REQUIRES(mutex_);
  void count(Counter which) { counters_[which].fetch_add(1, std::memory_order_relaxed); }
  void run();
  void send_one() FTVM_EXCLUDES(mutex_);
  std::optional<Heartbeat> handle(ByteView datagram) FTVM_REQUIRES(mutex_);

  UdpSocket socket_;
  ScopedFd timer_;
  ScopedFd stop_;  // eventfd: the thread shall end.
  std::atomic<std::uint64_t> progress_{0};
  std::atomic<bool> paused_{false};
  std::array<std::atomic<std::uint64_t>, kCounters> counters_{};
  HostTime emptied_at_;  // What comes out of the socket came after this.
  Mutex mutex_;
  std::optional<Active> active_ FTVM_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace ftvm::ftcore
