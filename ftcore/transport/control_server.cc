#include "ftcore/transport/control_server.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "emulator/base/assert.h"
#include "ftcore/transport/control_path.h"

namespace ftvm::ftcore {
namespace {

using nlohmann::json;

constexpr int kBacklog = 16;
constexpr int kEventsPerPoll = 32;
constexpr int kAcceptsPerPoll = 32;
constexpr std::size_t kReadBytes = 16 << 10;
/// A line of brackets only would otherwise recurse as deep as it is long.
constexpr int kJsonDepthMax = 32;

/// One line whatever the texts contain.
std::string to_line(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string error_line(ErrorCode code, const std::string& message) {
  const std::string name(error_code_name(code));
  return to_line({{"ok", false}, {"error", {{"code", name}, {"message", message}}}});
}

/// Nothing for anything but one JSON value of bounded depth.
json parse_json(std::string_view text) {
  bool too_deep = false;
  const auto limit_depth = [&too_deep](int depth, json::parse_event_t, json&) {
    too_deep = too_deep || depth > kJsonDepthMax;
    return !too_deep;
  };
  json value = json::parse(text, limit_depth, false);
  return too_deep ? json(json::value_t::discarded) : value;
}

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

}  // namespace

ControlServer::ControlServer(std::string path, Handler handler)
    : path_(std::move(path)), handler_(std::move(handler)) {}

ControlServer::~ControlServer() {
  if (bound_) ::unlink(path_.c_str());  // Ours: we hold the lock.
}

Result<std::unique_ptr<ControlServer>> ControlServer::listen(const std::string& path,
                                                             Handler handler) {
  FTVM_ASSERT(handler != nullptr);
  std::unique_ptr<ControlServer> self(new ControlServer(path, std::move(handler)));
  FTVM_TRY(control_address(path));
  self->lock_ = FTVM_TRY(lock_socket_path(path, "control socket"));
  FTVM_TRY(self->bind_path());
  return self;
}

Status ControlServer::bind_path() {
  listener_ = FTVM_TRY(listen_on_control_path(path_, kBacklog));
  bound_ = true;
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return error_from_errno("control socket");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = listener_.get();
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener_.get(), &event) != 0) {
    return error_from_errno("control socket");
  }
  return {};
}

/// Waits for the client to write, or to read when there is something for it.
bool ControlServer::watch(const Client& client, int operation) {
  epoll_event event{};
  event.events = client.out.empty() ? EPOLLIN : EPOLLOUT;
  event.data.fd = client.fd.get();
  return ::epoll_ctl(epoll_.get(), operation, client.fd.get(), &event) == 0;
}

void ControlServer::accept_some() {
  for (int i = 0; i < kAcceptsPerPoll; ++i) {
    ScopedFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) return;
    if (clients_.size() >= kControlClientsMax) {
      const std::string line = error_line(ErrorCode::kNoSpace, "too many clients") + "\n";
      // It fits an empty socket buffer; if not, the closed connection says enough.
      [[maybe_unused]] const ssize_t sent =
          ::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL);
      continue;
    }
    const int key = fd.get();
    Client& client = clients_[key];
    client.fd = std::move(fd);
    if (!watch(client, EPOLL_CTL_ADD)) clients_.erase(key);
  }
}

void ControlServer::poll() {
  std::array<epoll_event, kEventsPerPoll> events{};
  const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsPerPoll, 0);
  for (int i = 0; i < count; ++i) {
    const int fd = events[static_cast<std::size_t>(i)].data.fd;
    if (fd == listener_.get()) {
      accept_some();
      continue;
    }
    const auto client = clients_.find(fd);
    FTVM_ASSERT(client != clients_.end());
    if (!serve(client->second)) clients_.erase(client);  // Closing takes it out of the epoll set.
  }
}

bool ControlServer::serve(Client& client) {
  if (!write_some(client)) return false;
  bool ended = false;
  if (client.out.empty() && !client.closing && !read_some(client, ended)) return false;
  answer_lines(client);
  if (!write_some(client)) return false;
  if (client.out.empty() && (client.closing || ended)) return false;
  return watch(client, EPOLL_CTL_MOD);
}

bool ControlServer::read_some(Client& client, bool& ended) {
  std::array<char, kReadBytes> buffer;
  const ssize_t got = ::recv(client.fd.get(), buffer.data(), buffer.size(), 0);
  if (got < 0) return would_block();
  ended = got == 0;
  client.in.append(buffer.data(), static_cast<std::size_t>(got));
  return true;
}

/// Answers whole lines until one answer does not fit the socket; then the rest waits.
void ControlServer::answer_lines(Client& client) {
  while (!client.closing) {
    const std::size_t end = client.in.find('\n');
    const std::size_t length = end == std::string::npos ? client.in.size() : end;
    if (length > kControlRequestBytesMax) {
      client.out +=
          error_line(ErrorCode::kBadData, "the request is longer than " +
                                              std::to_string(kControlRequestBytesMax) + " bytes");
      client.out += '\n';
      client.closing = true;
      return;
    }
    if (end == std::string::npos) return;
    client.out += answer(std::string_view(client.in).substr(0, end)) + "\n";
    client.in.erase(0, end + 1);
    if (!write_some(client) || !client.out.empty()) return;
  }
}

bool ControlServer::write_some(Client& client) {
  while (!client.out.empty()) {
    const ssize_t sent =
        ::send(client.fd.get(), client.out.data(), client.out.size(), MSG_NOSIGNAL);
    if (sent < 0) return would_block();
    client.out.erase(0, static_cast<std::size_t>(sent));
  }
  return true;
}

std::string ControlServer::answer(std::string_view line) const {
  const json request = parse_json(line);
  if (!request.is_object()) {
    return error_line(ErrorCode::kBadData, "the request is not one JSON object on one line");
  }
  for (const auto& [key, value] : request.items()) {
    if (key != "command" && key != "args") {
      return error_line(ErrorCode::kBadData, "unknown member '" + key + "'");
    }
  }
  const auto command = request.find("command");
  if (command == request.end() || !command->is_string()) {
    return error_line(ErrorCode::kBadData, "'command' must be a text");
  }
  const json args = request.value("args", json::object());
  if (!args.is_object()) return error_line(ErrorCode::kBadData, "'args' must be an object");
  const Result<std::string> result =
      handler_(command->get_ref<const std::string&>(), to_line(args));
  if (!result) return error_line(result.error().code(), result.error().message());
  json value = parse_json(*result);
  // What a handler returns is ours; a mistake there is shown to the operator, not passed on.
  if (value.is_discarded()) return error_line(ErrorCode::kBadData, "the reply is not JSON");
  std::string reply = to_line({{"ok", true}, {"result", std::move(value)}});
  if (reply.size() <= kControlReplyBytesMax) return reply;
  return error_line(ErrorCode::kNoSpace,
                    "the reply is longer than " + std::to_string(kControlReplyBytesMax) + " bytes");
}

}  // namespace ftvm::ftcore
