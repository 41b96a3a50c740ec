#include "ftcore/transport/heartbeat.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <ctime>
#include <system_error>
#include <utility>

#include "emulator/base/assert.h"

namespace ftvm::ftcore {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

HostTime monotonic_now() {
  timespec now{};
  const int done = ::clock_gettime(CLOCK_MONOTONIC, &now);
  FTVM_ASSERT(done == 0);
  return {static_cast<std::int64_t>(now.tv_sec) * static_cast<std::int64_t>(kNsPerSecond) +
          now.tv_nsec};
}

void raise_event(int fd) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t put = ::write(fd, &one, sizeof one);
}

/// True when the descriptor (an eventfd or a timerfd) had been set.
bool take_event(int fd) {
  std::uint64_t count = 0;
  return ::read(fd, &count, sizeof count) == sizeof count;
}

}  // namespace

Result<std::unique_ptr<HeartbeatLink>> HeartbeatLink::open(const HeartbeatOptions& options) {
  UdpSocket socket = FTVM_TRY(UdpSocket::bind(options.bind));
  std::unique_ptr<HeartbeatLink> self(new HeartbeatLink(std::move(socket)));
  if (Status status = self->set_up(); !status) {
    return std::move(status.error().context("start heartbeats"));
  }
  return self;
}

Status HeartbeatLink::set_up() {
  timer_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  stop_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!timer_ || !stop_) return error_from_errno("create a descriptor");
  // Signals are for the thread that owns the process; the new thread inherits the mask.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  Status status;
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    status = Error(ErrorCode::kIo, error.what());
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return status;
}

HeartbeatLink::~HeartbeatLink() {
  if (!thread_.joinable()) return;
  raise_event(stop_.get());
  thread_.join();
}

Status HeartbeatLink::arm_timer(std::uint32_t interval_ms) {
  itimerspec spec{};
  spec.it_interval.tv_sec = interval_ms / 1000;
  spec.it_interval.tv_nsec = static_cast<long>(interval_ms % 1000) * kNsPerMs;
  // The first one at once; all zero disarms.
  spec.it_value.tv_nsec = interval_ms == 0 ? 0 : 1;
  if (::timerfd_settime(timer_.get(), 0, &spec, nullptr) != 0) return error_from_errno("timer");
  return {};
}

Status HeartbeatLink::start_session(const HeartbeatSession& session) {
  if (session.heartbeat_ms < 1 || session.heartbeat_ms > kHeartbeatMsMax) {
    return Error(ErrorCode::kUsage, "heartbeats: use an interval of 1 to " +
                                        std::to_string(kHeartbeatMsMax) + " milliseconds");
  }
  Active active;
  active.session = session;
  active.peer = FTVM_TRY(socket_.resolve(session.peer));
  const MutexLock lock(mutex_);
  FTVM_TRY(arm_timer(session.heartbeat_ms));
  active_ = std::move(active);
  return {};
}

void HeartbeatLink::stop_session() {
  const MutexLock lock(mutex_);
  const Status disarmed = arm_timer(0);
  FTVM_ASSERT(disarmed.has_value());
  active_.reset();
}

void HeartbeatLink::run() {
  std::array<pollfd, 2> fds{{{stop_.get(), POLLIN, 0}, {timer_.get(), POLLIN, 0}}};
  for (;;) {
    if (::poll(fds.data(), fds.size(), -1) < 0) continue;  // Only EINTR, and signals are blocked.
    if (fds[0].revents != 0) return;
    if (take_event(timer_.get())) send_one();
  }
}

void HeartbeatLink::send_one() {
  const MutexLock lock(mutex_);
  if (!active_) return;
  Heartbeat heartbeat;
  heartbeat.session = active_->session.session;
  heartbeat.epoch = active_->session.epoch;
  heartbeat.number = ++active_->last_sent;
  heartbeat.progress = {progress_.load(std::memory_order_relaxed)};
  heartbeat.paused = paused_.load(std::memory_order_relaxed);
  const auto datagram = encode_heartbeat(heartbeat, active_->session.side, active_->session.key);
  count(socket_.send_to(active_->peer, datagram) ? kSent : kNotSent);
}

std::optional<ReceivedHeartbeat> HeartbeatLink::poll() {
  std::array<std::uint8_t, kHeartbeatBytes + 1> buffer{};  // One more, to see what is too long.
  for (int i = 0; i < kDatagramsPerPollMax; ++i) {
    const HostTime now = monotonic_now();
    const auto datagram = socket_.receive(buffer);
    if (!datagram) {
      emptied_at_ = now;
      return std::nullopt;
    }
    const MutexLock lock(mutex_);
    const auto heartbeat = handle(ByteView(buffer).first(datagram->size_bytes));
    if (!heartbeat) continue;
    // A clock that was stepped meanwhile cannot move it out of the time in which it must have come.
    const HostTime came{now.ns - datagram->age_ns};
    return ReceivedHeartbeat{*heartbeat, std::clamp(came, std::min(emptied_at_, now), now)};
  }
  return std::nullopt;
}

std::optional<Heartbeat> HeartbeatLink::handle(ByteView datagram) {
  const auto drop = [this](Counter why) {
    count(why);
    return std::nullopt;
  };
  if (!active_) return drop(kRejected);
  const HeartbeatSession& session = active_->session;
  const HeartbeatSide peer_side =
      session.side == HeartbeatSide::kPrimary ? HeartbeatSide::kBackup : HeartbeatSide::kPrimary;
  const Result<Heartbeat> heartbeat = decode_heartbeat(datagram, peer_side, session.key);
  if (!heartbeat || heartbeat->session != session.session) return drop(kRejected);
  // Whoever goes on in a higher epoch counts from 1 again.
  const std::pair order(heartbeat->epoch, heartbeat->number);
  if (order <= active_->last_accepted) return drop(kStale);
  active_->last_accepted = order;
  count(kAccepted);
  return *heartbeat;
}

HeartbeatCounters HeartbeatLink::counters() const {
  const auto value = [this](Counter which) {
    return counters_[which].load(std::memory_order_relaxed);
  };
  return {.sent = value(kSent),
          .not_sent = value(kNotSent),
          .accepted = value(kAccepted),
          .rejected = value(kRejected),
          .stale = value(kStale)};
}

}  // namespace ftvm::ftcore
