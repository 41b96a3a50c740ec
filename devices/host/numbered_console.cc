#include "devices/host/numbered_console.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "devices/host/host_thread.h"
#include "emulator/base/diag.h"

namespace ftvm::devices::host {
namespace {

constexpr std::size_t kReadBytes = 16 << 10;
/// What the kernel buffers for a client; the ring holds the rest.
constexpr int kSocketBufferBytes = 256 << 10;
/// How long a client may take to read our last words and close.
constexpr std::uint64_t kLingerNs = 1'000'000'000;
constexpr std::uint64_t kHelloNsMax = 10'000'000'000;
/// Between two looks at the time, while somebody has a deadline.
constexpr int kDeadlinePollMs = 50;
/// Connections, including those that are being closed.
constexpr std::size_t kPeersMax = 64;

}  // namespace

Result<std::unique_ptr<NumberedConsole>> NumberedConsole::create(Options options) {
  ScopedFd listener = FTVM_TRY(listen_on(options.address));
  if (options.address.kind == SocketAddress::Kind::kTcp) {
    options.address.port = FTVM_TRY(bound_port(listener.get()));
  }
  return std::unique_ptr<NumberedConsole>(
      new NumberedConsole(std::move(options), std::move(listener)));
}

NumberedConsole::NumberedConsole(Options options, ScopedFd listener)
    : address_(std::move(options.address)),
      listener_(std::move(listener)),
      inbox_(options.hub.typed_bytes_max),
      hub_(std::move(options.hub)) {
  thread_ = start_host_thread([this] { serve(); });
}

NumberedConsole::~NumberedConsole() {
  closing_.store(true);
  wake_.notify();
  thread_.join();
  if (address_.kind == SocketAddress::Kind::kUnix) ::unlink(address_.path.c_str());
}

std::size_t NumberedConsole::take_input(Bytes& out, std::size_t max) {
  return inbox_.take(out, max);
}

void NumberedConsole::set_wakeup(std::function<void()> wakeup) {
  inbox_.set_wakeup(std::move(wakeup));
}

void NumberedConsole::confirm_input(std::uint64_t offset) {
  {
    const MutexLock lock(mutex_);
    hub_.confirm_input(offset);
  }
  notify();
}

void NumberedConsole::end(EndReason reason) {
  {
    const MutexLock lock(mutex_);
    hub_.end(reason);
  }
  notify();
}

void NumberedConsole::publish(std::uint64_t offset, ByteView bytes) {
  {
    const MutexLock lock(mutex_);
    hub_.publish(offset, bytes);
  }
  notify();
}

void NumberedConsole::set_live(Epoch epoch) {
  {
    const MutexLock lock(mutex_);
    hub_.set_live(epoch);
  }
  FTVM_DIAG(kInfo, "console.live").kv("epoch", epoch.value);
  notify();
}

void NumberedConsole::set_input_expected(std::uint64_t offset) {
  const MutexLock lock(mutex_);
  hub_.set_input_expected(offset);
  inbox_.clear();
}

std::uint64_t NumberedConsole::confirmed_output() {
  const MutexLock lock(mutex_);
  return hub_.confirmed();
}

/// One system call for a burst of news: the thread looks at everything each time it wakes.
void NumberedConsole::notify() {
  if (!notified_.exchange(true)) wake_.notify();
}

void NumberedConsole::serve() {
  while (!closing_.load()) poll_once(false);
  // Every peer has a deadline now.
  while (!peers_.empty()) poll_once(true);
}

void NumberedConsole::poll_once(bool closing) {
  const HostTime now = clock_.now();
  const bool listening = !closing && peers_.size() < kPeersMax;
  std::vector<pollfd> fds{{.fd = wake_.fd(), .events = POLLIN, .revents = 0},
                          {.fd = listening ? listener_.get() : -1, .events = POLLIN, .revents = 0}};
  int timeout_ms = -1;
  for (auto& [id, peer] : peers_) {
    prepare(id, peer, closing, now);
    const MutexLock lock(mutex_);
    const int events = POLLIN | (hub_.sendable(id).empty() ? 0 : POLLOUT);
    fds.push_back({.fd = peer.fd.get(), .events = static_cast<short>(events), .revents = 0});
    if (peer.deadline != HostTime::never()) timeout_ms = kDeadlinePollMs;
  }
  if (::poll(fds.data(), fds.size(), timeout_ms) < 0) return;  // EINTR: look again.
  if (fds[0].revents != 0) {
    // In this order: news that arrives from here on wakes the next poll.
    wake_.drain();
    notified_.store(false);
  }
  std::size_t at = 2;
  for (auto& [id, peer] : peers_) {
    const short events = fds[at++].revents;
    if ((events & POLLOUT) != 0) write_some(id, peer);
    if (peer.fd && (events & (POLLIN | POLLHUP | POLLERR)) != 0) read_some(id, peer);
    if (peer.fd && peer.deadline <= now) forget(id, peer);
  }
  std::erase_if(peers_, [](const auto& entry) { return !entry.second.fd; });
  if (fds[1].revents != 0) welcome();
}

/// Who has a deadline, and who has heard all that there was to say.
void NumberedConsole::prepare(Connection id, Peer& peer, bool closing, HostTime now) {
  const MutexLock lock(mutex_);
  const bool nothing_left = hub_.sendable(id).empty();
  if (!closing && !hub_.closing(id)) {
    if (hub_.greeted(id)) peer.deadline = HostTime::never();
    return;
  }
  peer.deadline = std::min(peer.deadline, HostTime{now.ns + kLingerNs});
  if (nothing_left && !std::exchange(peer.finished, true)) {
    // Closing with unread bytes would reset the connection and lose our last words.
    ::shutdown(peer.fd.get(), SHUT_WR);
  }
}

void NumberedConsole::welcome() {
  ScopedFd fd = accept_client(listener_.get());
  if (!fd) {
    // Out of descriptors, the listener stays readable; that must not become a loop without rest.
    ::poll(nullptr, 0, kDeadlinePollMs);
    return;
  }
  const int size = kSocketBufferBytes;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  const Connection id = next_connection_++;
  peers_.emplace(id,
                 Peer{.fd = std::move(fd), .deadline = HostTime{clock_.now().ns + kHelloNsMax}});
  const MutexLock lock(mutex_);
  hub_.connected(id);
}

void NumberedConsole::read_some(Connection id, Peer& peer) {
  std::uint8_t buffer[kReadBytes];
  const ssize_t size = ::recv(peer.fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (size <= 0) return forget(id, peer);
  if (peer.finished) return;
  const MutexLock lock(mutex_);
  hub_.received(id, {buffer, static_cast<std::size_t>(size)});
  const Bytes typed = hub_.take_typed();
  // The inbox is as large as what the hub lets be unconfirmed, and is cleared with it.
  const std::size_t taken = inbox_.push(typed);
  FTVM_ASSERT(taken == typed.size());
}

void NumberedConsole::write_some(Connection id, Peer& peer) {
  ssize_t size = 0;
  {
    const MutexLock lock(mutex_);
    const ByteView bytes = hub_.sendable(id);
    size = ::send(peer.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size >= 0) hub_.sent(id, static_cast<std::size_t>(size));
  }
  if (size < 0 && errno != EINTR && errno != EAGAIN) forget(id, peer);
}

void NumberedConsole::forget(Connection id, Peer& peer) {
  peer.fd.reset();
  const MutexLock lock(mutex_);
  hub_.disconnected(id);
}

}  // namespace ftvm::devices::host
