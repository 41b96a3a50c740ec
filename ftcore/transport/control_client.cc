#include "ftcore/transport/control_client.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "emulator/base/scoped_fd.h"
#include "ftcore/transport/control_path.h"
#include "ftcore/transport/control_server.h"

namespace ftvm::ftcore {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kReadBytes = 64 << 10;

/// Waits for the descriptor until the deadline.
Status wait_for(int fd, short events, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return Error(ErrorCode::kTimeout, "no answer in time");
    pollfd item{fd, events, 0};
    const int ready = ::poll(&item, 1, static_cast<int>(std::min<long>(left, 60'000)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return error_from_errno("poll");
  }
}

/// Error of a send(2) or recv(2) that is not just for later.
Error lost() {
  if (errno == EPIPE || errno == ECONNRESET) {
    return Error(ErrorCode::kClosed, "the node closed the connection");
  }
  return error_from_errno("talk to the node");
}

Result<ScopedFd> connect_to(const std::string& path) {
  const sockaddr_un address = FTVM_TRY(control_address(path));
  ScopedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return error_from_errno("socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return fd;
  }
  switch (errno) {
    case ENOENT:
      return Error(ErrorCode::kNotFound, "no such socket; is the node running?");
    case ECONNREFUSED:
      return Error(ErrorCode::kClosed, "nobody listens; the node that made it is gone");
    case EAGAIN:
      return Error(ErrorCode::kTimeout, "too many clients are waiting");
    default:
      return error_from_errno("connect");
  }
}

Status send_line(int fd, std::string line, Clock::time_point deadline) {
  line += '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t sent = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      FTVM_TRY(wait_for(fd, POLLOUT, deadline));
    } else if (errno == EPIPE) {
      return {};  // The node may have said why before it closed: read that.
    } else if (errno != EINTR) {
      return lost();
    }
  }
  return {};
}

Result<std::string> receive_line(int fd, Clock::time_point deadline) {
  std::string line;
  std::array<char, kReadBytes> buffer;
  for (;;) {
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got == 0) return Error(ErrorCode::kClosed, "the node closed the connection");
    if (got < 0 && errno == EAGAIN) {
      FTVM_TRY(wait_for(fd, POLLIN, deadline));
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return lost();
    line.append(buffer.data(), static_cast<std::size_t>(got));
    const std::size_t end = line.find('\n');
    if (end != std::string::npos) return line.substr(0, end);
    if (line.size() > kControlReplyBytesMax) {
      return Error(ErrorCode::kBadData, "the answer is too long");
    }
  }
}

ErrorCode code_named(const std::string& name) {
  constexpr std::array kCodes{ErrorCode::kBadData,  ErrorCode::kTornTail, ErrorCode::kMismatch,
                              ErrorCode::kNotFound, ErrorCode::kIo,       ErrorCode::kNoSpace,
                              ErrorCode::kClosed,   ErrorCode::kTimeout,  ErrorCode::kUnsupported,
                              ErrorCode::kUsage,    ErrorCode::kDiverged};
  const auto* code = std::ranges::find(kCodes, name, error_code_name);
  return code == kCodes.end() ? ErrorCode::kIo : *code;
}

Result<std::string> read_answer(const std::string& line) {
  const json answer = json::parse(line, nullptr, false);
  const Error nonsense(ErrorCode::kBadData, "the answer is not one of a control socket");
  if (!answer.is_object()) return nonsense;
  const auto ok = answer.find("ok");
  if (ok == answer.end() || !ok->is_boolean()) return nonsense;
  if (ok->get<bool>()) {
    const auto result = answer.find("result");
    if (result == answer.end()) return nonsense;
    return result->dump(-1, ' ', false, json::error_handler_t::replace);
  }
  const auto error = answer.find("error");
  if (error == answer.end() || !error->is_object()) return nonsense;
  const auto code = error->find("code");
  const auto message = error->find("message");
  if (code == error->end() || message == error->end()) return nonsense;
  if (!code->is_string() || !message->is_string()) return nonsense;
  return Error(code_named(code->get<std::string>()), message->get<std::string>());
}

Result<std::string> call_node(const ControlCall& call) {
  const json args = json::parse(call.args, nullptr, false);
  if (!args.is_object()) return Error(ErrorCode::kUsage, "the arguments are not a JSON object");
  const auto deadline = Clock::now() + std::chrono::milliseconds(call.timeout_ms);
  const std::string request = json{{"command", call.command}, {"args", args}}.dump(
      -1, ' ', false, json::error_handler_t::replace);
  if (request.size() > kControlRequestBytesMax) {
    return Error(ErrorCode::kUsage, "the request is longer than " +
                                        std::to_string(kControlRequestBytesMax) + " bytes");
  }
  const ScopedFd fd = FTVM_TRY(connect_to(call.path));
  FTVM_TRY(send_line(fd.get(), request, deadline));
  return read_answer(FTVM_TRY(receive_line(fd.get(), deadline)));
}

}  // namespace

Result<std::string> control_call(const ControlCall& call) {
  Result<std::string> result = call_node(call);
  if (!result) result.error().context("'" + call.command + "' to " + call.path);
  return result;
}

}  // namespace ftvm::ftcore
