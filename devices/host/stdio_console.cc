#include "devices/host/stdio_console.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "devices/host/host_thread.h"
#include "emulator/base/diag.h"

namespace ftvm::devices::host {
namespace {

constexpr std::size_t kInputBytesMax = 64 << 10;
/// A writable pipe takes so much without blocking.
constexpr std::size_t kChunkBytes = PIPE_BUF;
/// At the end, a reader that takes nothing for so long gets no more.
constexpr int kDrainStallMs = 2000;

}  // namespace

StdioConsole::StdioConsole(Options options)
    : options_(std::move(options)), terminal_(options_.in_fd), inbox_(kInputBytesMax) {
  thread_ = start_host_thread([this] { serve(); });
}

StdioConsole::~StdioConsole() {
  closing_.store(true);
  wake_.notify();
  thread_.join();
}

std::size_t StdioConsole::take_input(Bytes& out, std::size_t max) {
  const bool was_full = inbox_.room() == 0;
  const std::size_t taken = inbox_.take(out, max);
  if (was_full && taken > 0) wake_.notify();
  return taken;
}

void StdioConsole::write(std::uint64_t offset, ByteView bytes) {
  (void)offset;
  bool first = false;
  std::size_t taken = 0;
  {
    const MutexLock lock(mutex_);
    first = output_.empty();
    const std::size_t room = options_.output_bytes_max - output_.size();
    taken = out_open_.load() ? std::min(bytes.size(), room) : 0;
    output_.push(bytes.first(taken));
  }
  if (taken < bytes.size()) {
    // Said once: more lines would not help whoever does not read.
    if (dropped_bytes_.fetch_add(bytes.size() - taken) == 0 && out_open_.load()) {
      FTVM_DIAG(kWarn, "console.overflow").kv("limit_bytes", options_.output_bytes_max);
    }
  }
  if (first && taken > 0) wake_.notify();
}

void StdioConsole::set_wakeup(std::function<void()> wakeup) {
  inbox_.set_wakeup(std::move(wakeup));
}

bool StdioConsole::output_waits() {
  const MutexLock lock(mutex_);
  return !output_.empty();
}

void StdioConsole::serve() {
  for (;;) {
    const bool closing = closing_.load();
    const bool writing = out_open_.load() && output_waits();
    if (closing && !writing) return;
    const bool reading = !closing && in_open_ && inbox_.room() > 0;
    // poll(2) passes over negative descriptors.
    pollfd fds[] = {{.fd = wake_.fd(), .events = POLLIN, .revents = 0},
                    {.fd = reading ? options_.in_fd : -1, .events = POLLIN, .revents = 0},
                    {.fd = writing ? options_.out_fd : -1, .events = POLLOUT, .revents = 0}};
    const int ready = ::poll(fds, std::size(fds), closing ? kDrainStallMs : -1);
    if (ready < 0 && errno != EINTR) return;
    if (closing && ready == 0) return;
    if (fds[0].revents != 0) wake_.drain();
    if (fds[1].revents != 0) read_some();
    if (fds[2].revents != 0) write_some();
  }
}

void StdioConsole::read_some() {
  std::uint8_t buffer[kChunkBytes];
  const std::size_t size_max = std::min(sizeof buffer, inbox_.room());
  const ssize_t size = ::read(options_.in_fd, buffer, size_max);
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (size <= 0) {
    in_open_ = false;  // End of a script, or the terminal went away. The guest runs on.
    return;
  }
  const ByteView typed(buffer, static_cast<std::size_t>(size));
  if (!terminal_.raw()) {
    inbox_.push(typed);
    return;
  }
  Bytes filtered;
  const ConsoleEscape::Wish wish = escape_.filter(typed, filtered);
  inbox_.push(filtered);
  if (wish == ConsoleEscape::Wish::kHelp) {
    const char* help = ConsoleEscape::kHelpText;
    write(0, {reinterpret_cast<const std::uint8_t*>(help), std::strlen(help)});
  }
  if (wish == ConsoleEscape::Wish::kQuit && options_.on_quit) options_.on_quit();
}

void StdioConsole::write_some() {
  // Copied, because write(2) may block on a terminal and the vCPU must not wait for this lock.
  std::uint8_t chunk[kChunkBytes];
  std::size_t size = 0;
  {
    const MutexLock lock(mutex_);
    size = std::min(sizeof chunk, output_.size());
    std::copy_n(output_.view().begin(), size, chunk);
  }
  const ssize_t written = ::write(options_.out_fd, chunk, size);
  const int error = errno;
  if (written < 0 && (errno == EINTR || errno == EAGAIN)) return;
  const MutexLock lock(mutex_);
  if (written < 0) {
    FTVM_DIAG(kWarn, "console.output_lost").kv("errno", error);
    out_open_.store(false);
    dropped_bytes_.fetch_add(output_.size());
    output_.clear();
    return;
  }
  output_.pop(static_cast<std::size_t>(written));
}

}  // namespace ftvm::devices::host
