#include "devices/host/numbered_console_client.h"

#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "devices/host/console_escape.h"
#include "devices/host/console_follower.h"
#include "devices/host/host_clock.h"
#include "devices/host/terminal_mode.h"
#include "emulator/base/file.h"

namespace ftvm::devices::host {
namespace {

constexpr std::size_t kReadBytes = 16 << 10;
/// Pause between two attempts to reach a node, and between two looks at the time.
constexpr std::uint64_t kRetryNs = 200'000'000;
constexpr int kLookMs = 100;
constexpr std::uint64_t kConnectNsMax = 3'000'000'000;

/// What has become of a node's connection. down -> connecting -> up -> down.
struct Link {
  enum class State { kDown, kConnecting, kUp };
  State state = State::kDown;
  ScopedFd fd;
  HostTime since;  // Of the last attempt.
};

class ConsoleClient {
 public:
  explicit ConsoleClient(const ConsoleClientOptions& options)
      : options_(options),
        terminal_(options.in_fd),
        talks_(options.verbose || ::isatty(options.message_fd) != 0),
        follower_(follower_options(options)),
        links_(options.nodes.size()) {}

  Result<ConsoleClientResult> run();

 private:
  static ConsoleFollower::Options follower_options(const ConsoleClientOptions& options);
  void connect_all(HostTime now);
  void poll_once();
  void on_link(std::size_t index, short events, HostTime now);
  void read_link(std::size_t index, HostTime now);
  void write_link(std::size_t index);
  void drop_link(std::size_t index);
  void read_user();
  Status show();
  [[nodiscard]] bool hopeless() const;

  const ConsoleClientOptions& options_;
  TerminalMode terminal_;
  const bool talks_;
  ConsoleEscape escape_;
  HostClock clock_;
  ConsoleFollower follower_;
  std::vector<Link> links_;
  bool in_open_ = true;
  bool quit_ = false;
};

ConsoleFollower::Options ConsoleClient::follower_options(const ConsoleClientOptions& options) {
  ConsoleFollower::Options result;
  for (const SocketAddress& node : options.nodes) result.names.push_back(to_string(node));
  // Only has to differ from other clients; without entropy the process and the time do.
  if (::getrandom(&result.client_id, sizeof result.client_id, 0) != sizeof result.client_id) {
    result.client_id = HostClock().now().ns ^ (static_cast<std::uint64_t>(::getpid()) << 40);
  }
  result.pair = options.pair;
  result.from = options.from;
  return result;
}

Result<ConsoleClientResult> ConsoleClient::run() {
  while (!quit_) {
    connect_all(clock_.now());
    poll_once();
    follower_.on_time(clock_.now());
    FTVM_TRY(show());
    // What was shown is confirmed without waiting for the next poll.
    for (std::size_t i = 0; i < links_.size(); ++i) write_link(i);
    if (follower_.ended()) break;
    if (hopeless()) return Error(ErrorCode::kMismatch, "no node can be used");
    if (!in_open_ && options_.quit_at_eof && follower_.all_confirmed()) break;
  }
  return ConsoleClientResult{.ended = follower_.ended(), .next_output = follower_.next_output()};
}

bool ConsoleClient::hopeless() const {
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if (!follower_.given_up(i)) return false;
  }
  return true;
}

void ConsoleClient::connect_all(HostTime now) {
  for (std::size_t i = 0; i < links_.size(); ++i) {
    Link& link = links_[i];
    const bool waited = link.since == HostTime{} || now.ns - link.since.ns >= kRetryNs;
    if (link.state != Link::State::kDown || follower_.given_up(i) || !waited) continue;
    link.since = now;
    Result<ScopedFd> fd = connect_to(options_.nodes[i]);
    if (!fd) continue;  // Tried again soon; the user sees who is connected.
    link.fd = *std::move(fd);
    link.state = Link::State::kConnecting;
  }
}

void ConsoleClient::poll_once() {
  const bool reading = in_open_ && follower_.typing_room() > 0;
  std::vector<pollfd> fds{
      {.fd = reading ? options_.in_fd : -1, .events = POLLIN, .revents = 0},
      {.fd = options_.quit == nullptr ? -1 : options_.quit->fd(), .events = POLLIN, .revents = 0}};
  for (std::size_t i = 0; i < links_.size(); ++i) {
    const bool up = links_[i].state == Link::State::kUp;
    const bool writing = !up || !follower_.outbox(i).empty();
    const int events = (up ? POLLIN : 0) | (writing ? POLLOUT : 0);
    fds.push_back({.fd = links_[i].fd.get(), .events = static_cast<short>(events), .revents = 0});
  }
  if (::poll(fds.data(), fds.size(), kLookMs) < 0) return;  // EINTR: look again.
  const HostTime now = clock_.now();
  if (fds[1].revents != 0) quit_ = true;
  for (std::size_t i = 0; i < links_.size(); ++i) on_link(i, fds[i + 2].revents, now);
  if (fds[0].revents != 0) read_user();
}

void ConsoleClient::on_link(std::size_t index, short events, HostTime now) {
  Link& link = links_[index];
  if (link.state == Link::State::kConnecting) {
    if (events == 0) {
      if (now.ns - link.since.ns >= kConnectNsMax) drop_link(index);
      return;
    }
    if (connect_error(link.fd.get()) != 0) return drop_link(index);
    link.state = Link::State::kUp;
    follower_.connected(index);
    return;
  }
  if (link.state != Link::State::kUp) return;
  if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) read_link(index, now);
  write_link(index);
}

void ConsoleClient::read_link(std::size_t index, HostTime now) {
  std::uint8_t buffer[kReadBytes];
  const ssize_t size = ::recv(links_[index].fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (size <= 0) return drop_link(index);
  follower_.received(index, {buffer, static_cast<std::size_t>(size)}, now);
  if (follower_.hang_up(index)) drop_link(index);
}

void ConsoleClient::write_link(std::size_t index) {
  if (links_[index].state != Link::State::kUp) return;
  ByteFifo& out = follower_.outbox(index);
  if (out.empty()) return;
  const ssize_t size =
      ::send(links_[index].fd.get(), out.view().data(), out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (size < 0) return drop_link(index);
  out.pop(static_cast<std::size_t>(size));
}

void ConsoleClient::drop_link(std::size_t index) {
  Link& link = links_[index];
  if (link.state == Link::State::kUp) follower_.disconnected(index);
  link.fd.reset();
  link.state = Link::State::kDown;
}

void ConsoleClient::read_user() {
  std::uint8_t buffer[kReadBytes];
  const std::size_t size_max = std::min(sizeof buffer, follower_.typing_room());
  const ssize_t size = ::read(options_.in_fd, buffer, size_max);
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (size <= 0) {
    in_open_ = false;
    return;
  }
  const ByteView typed(buffer, static_cast<std::size_t>(size));
  if (!terminal_.raw()) return follower_.typed(typed);
  Bytes filtered;
  const ConsoleEscape::Wish wish = escape_.filter(typed, filtered);
  // An escape that was held back makes at most one byte more than was read.
  filtered.resize(std::min(filtered.size(), follower_.typing_room()));
  follower_.typed(filtered);
  quit_ = quit_ || wish == ConsoleEscape::Wish::kQuit;
  if (wish == ConsoleEscape::Wish::kHelp) {
    const auto* help = reinterpret_cast<const std::uint8_t*>(ConsoleEscape::kHelpText);
    (void)write_all(options_.message_fd, {help, std::strlen(ConsoleEscape::kHelpText)});
  }
}

Status ConsoleClient::show() {
  ByteFifo& screen = follower_.screen();
  if (!screen.empty()) {
    FTVM_TRY(write_all(options_.out_fd, screen.view()));
    screen.clear();
  }
  follower_.shown();
  for (const std::string& message : follower_.take_messages()) {
    if (!talks_) continue;
    const std::string line = (terminal_.raw() ? "\r\n" : "") + message + "\n";
    // Nobody is helped by a client that ends because nobody hears its messages.
    (void)write_all(options_.message_fd,
                    {reinterpret_cast<const std::uint8_t*>(line.data()), line.size()});
  }
  return {};
}

}  // namespace

Result<ConsoleClientResult> run_console_client(const ConsoleClientOptions& options) {
  if (options.nodes.empty()) return Error(ErrorCode::kUsage, "no node to connect to");
  return ConsoleClient(options).run();
}

}  // namespace ftvm::devices::host
