#include "devices/host/socket_console.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "devices/host/host_thread.h"
#include "emulator/base/diag.h"

namespace ftvm::devices::host {
namespace {

constexpr std::size_t kInputBytesMax = 64 << 10;
constexpr std::size_t kChunkBytes = 16 << 10;
/// What the kernel buffers for a client that does not read. Units: bytes.
constexpr int kSocketBufferBytes = 128 << 10;
constexpr int kDrainStallMs = 1000;
constexpr int kNoDescriptorMs = 50;
constexpr std::string_view kBusyText = "ftvm: this console has a client already\r\n";

}  // namespace

Result<std::unique_ptr<SocketConsole>> SocketConsole::create(Options options) {
  ScopedFd listener = FTVM_TRY(listen_on(options.address));
  if (options.address.kind == SocketAddress::Kind::kTcp) {
    options.address.port = FTVM_TRY(bound_port(listener.get()));
  }
  return std::unique_ptr<SocketConsole>(new SocketConsole(std::move(options), std::move(listener)));
}

SocketConsole::SocketConsole(Options options, ScopedFd listener)
    : options_(std::move(options)),
      listener_(std::move(listener)),
      inbox_(kInputBytesMax),
      ring_(options_.output_bytes_max) {
  thread_ = start_host_thread([this] { serve(); });
}

SocketConsole::~SocketConsole() {
  closing_.store(true);
  wake_.notify();
  thread_.join();
  if (options_.address.kind == SocketAddress::Kind::kUnix) {
    ::unlink(options_.address.path.c_str());
  }
}

std::size_t SocketConsole::take_input(Bytes& out, std::size_t max) {
  const bool was_full = inbox_.room() == 0;
  const std::size_t taken = inbox_.take(out, max);
  if (was_full && taken > 0) wake_.notify();
  return taken;
}

void SocketConsole::write(std::uint64_t offset, ByteView bytes) {
  {
    const MutexLock lock(mutex_);
    ring_.append(offset, bytes);
  }
  wake_.notify();
}

void SocketConsole::set_wakeup(std::function<void()> wakeup) {
  inbox_.set_wakeup(std::move(wakeup));
}

bool SocketConsole::output_waits() {
  const MutexLock lock(mutex_);
  return sent_ < ring_.end();
}

void SocketConsole::serve() {
  for (;;) {
    const bool closing = closing_.load();
    const bool writing = client_ && output_waits();
    if (closing && !writing) return;
    const bool reading = client_ && inbox_.room() > 0;
    const auto client_events = static_cast<short>((writing ? POLLOUT : 0) | (reading ? POLLIN : 0));
    pollfd fds[] = {{.fd = wake_.fd(), .events = POLLIN, .revents = 0},
                    {.fd = closing ? -1 : listener_.get(), .events = POLLIN, .revents = 0},
                    {.fd = client_.get(), .events = client_events, .revents = 0}};
    const int ready = ::poll(fds, std::size(fds), closing ? kDrainStallMs : -1);
    if (ready < 0 && errno != EINTR) return;
    if (closing && ready == 0) return;
    if (fds[0].revents != 0) wake_.drain();
    if (client_ && (fds[2].revents & POLLIN) != 0) {
      read_some();
    } else if (client_ && (fds[2].revents & (POLLHUP | POLLERR)) != 0) {
      hang_up("gone");
    }
    if (client_ && (fds[2].revents & POLLOUT) != 0) write_some();
    if (client_ && output_waits()) write_some();
    if (fds[1].revents != 0) welcome();
  }
}

void SocketConsole::welcome() {
  ScopedFd next = accept_client(listener_.get());
  if (!next) {
    // Out of descriptors, the listener stays readable; that must not become a loop without rest.
    ::poll(nullptr, 0, kNoDescriptorMs);
    return;
  }
  if (client_) {
    // It may be gone already, which is as good an answer.
    [[maybe_unused]] const ssize_t told =
        ::send(next.get(), kBusyText.data(), kBusyText.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return;
  }
  const int size = kSocketBufferBytes;
  ::setsockopt(next.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  client_ = std::move(next);
  progress_ = true;
}

void SocketConsole::read_some() {
  std::uint8_t buffer[kChunkBytes];
  const std::size_t size_max = std::min(sizeof buffer, inbox_.room());
  const ssize_t size = ::recv(client_.get(), buffer, size_max, MSG_DONTWAIT);
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (size <= 0) return hang_up("gone");
  inbox_.push({buffer, static_cast<std::size_t>(size)});
}

void SocketConsole::write_some() {
  ConsoleRing::Read next;
  {
    const MutexLock lock(mutex_);
    next = ring_.read(sent_, kChunkBytes);
  }
  if (next.offset > sent_) {
    dropped_bytes_.fetch_add(next.offset - sent_);
    sent_ = next.offset;
    if (!std::exchange(progress_, false)) return hang_up("reads nothing");
  }
  const ssize_t written =
      ::send(client_.get(), next.bytes.data(), next.bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (written < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (written < 0) return hang_up("gone");
  sent_ += static_cast<std::uint64_t>(written);
  progress_ = true;
}

void SocketConsole::hang_up(const char* why) {
  FTVM_DIAG(kInfo, "console.hang_up").kv("why", std::string_view(why)).kv("sent", sent_);
  client_.reset();
}

}  // namespace ftvm::devices::host
