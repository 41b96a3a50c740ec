#include "devices/host/socket_address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

namespace ftvm::devices::host {
namespace {

constexpr int kBacklog = 16;
constexpr int kSocketFlags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
constexpr int kKeepaliveIdleS = 5;
constexpr int kKeepaliveIntervalS = 2;
constexpr int kKeepaliveProbes = 3;

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Error bad_address(std::string_view text, const char* why) {
  return Error(ErrorCode::kUsage,
               "'" + std::string(text) + "': " + why + "; use tcp:HOST:PORT or unix:PATH");
}

Result<AddressList> resolve(const SocketAddress& address, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(address.port);
  const int code = ::getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found);
  if (code != 0) {
    return Error(ErrorCode::kNotFound, to_string(address) + ": " + ::gai_strerror(code));
  }
  return AddressList(found, ::freeaddrinfo);
}

Result<sockaddr_un> unix_name(const SocketAddress& address) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (address.path.size() >= sizeof name.sun_path) {
    return Error(ErrorCode::kUsage, to_string(address) + ": the path is too long for a socket");
  }
  std::memcpy(name.sun_path, address.path.data(), address.path.size());
  return name;
}

void set_option(int fd, int level, int option, int value) {
  // Only ever a convenience: a socket that refuses still works.
  ::setsockopt(fd, level, option, &value, sizeof value);
}

void tune(int fd) {
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepaliveIdleS);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveIntervalS);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveProbes);
}

/// A dead ftvm leaves its socket file behind; a live one answers.
void remove_stale(const sockaddr_un& name) {
  struct stat info {};
  if (::lstat(name.sun_path, &info) != 0 || !S_ISSOCK(info.st_mode)) return;
  const ScopedFd probe(::socket(AF_UNIX, kSocketFlags, 0));
  if (!probe) return;
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 &&
      errno == ECONNREFUSED) {
    ::unlink(name.sun_path);
  }
}

Result<ScopedFd> listen_unix(const SocketAddress& address) {
  const sockaddr_un name = FTVM_TRY(unix_name(address));
  remove_stale(name);
  ScopedFd fd(::socket(AF_UNIX, kSocketFlags, 0));
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
      ::chmod(name.sun_path, S_IRUSR | S_IWUSR) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    return error_from_errno(to_string(address));
  }
  return fd;
}

}  // namespace

Result<SocketAddress> parse_socket_address(std::string_view text) {
  std::string_view rest = text;
  if (rest.starts_with("unix:")) {
    rest.remove_prefix(5);
    if (rest.empty()) return bad_address(text, "no path");
    return SocketAddress{.kind = SocketAddress::Kind::kUnix, .host = {}, .path = std::string(rest)};
  }
  if (rest.starts_with("tcp:")) rest.remove_prefix(4);
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) return bad_address(text, "no port");
  std::string_view host = rest.substr(0, colon);
  const std::string_view port = rest.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad_address(text, "an IPv6 address needs brackets");
  }
  if (host.empty()) return bad_address(text, "no host");
  SocketAddress address{.kind = SocketAddress::Kind::kTcp, .host = std::string(host), .path = {}};
  const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (code != std::errc() || end != port.data() + port.size()) return bad_address(text, "bad port");
  return address;
}

std::string to_string(const SocketAddress& address) {
  if (address.kind == SocketAddress::Kind::kUnix) return "unix:" + address.path;
  const bool v6 = address.host.find(':') != std::string::npos;
  return "tcp:" + (v6 ? "[" + address.host + "]" : address.host) + ":" +
         std::to_string(address.port);
}

Result<ScopedFd> listen_on(const SocketAddress& address) {
  if (address.kind == SocketAddress::Kind::kUnix) return listen_unix(address);
  const AddressList found = FTVM_TRY(resolve(address, AI_PASSIVE));
  int error = 0;
  for (const addrinfo* each = found.get(); each != nullptr; each = each->ai_next) {
    ScopedFd fd(::socket(each->ai_family, kSocketFlags, 0));
    if (fd) set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (fd && ::bind(fd.get(), each->ai_addr, each->ai_addrlen) == 0 &&
        ::listen(fd.get(), kBacklog) == 0) {
      return fd;
    }
    error = errno;
  }
  errno = error;
  return error_from_errno("listening on " + to_string(address));
}

Result<std::uint16_t> bound_port(int fd) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    return error_from_errno("getsockname");
  }
  const bool v6 = name.ss_family == AF_INET6;
  return ntohs(v6 ? reinterpret_cast<const sockaddr_in6*>(&name)->sin6_port
                  : reinterpret_cast<const sockaddr_in*>(&name)->sin_port);
}

Result<ScopedFd> connect_to(const SocketAddress& address) {
  if (address.kind == SocketAddress::Kind::kUnix) {
    const sockaddr_un name = FTVM_TRY(unix_name(address));
    ScopedFd fd(::socket(AF_UNIX, kSocketFlags, 0));
    if (fd && ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0) {
      return fd;
    }
    return error_from_errno("connecting to " + to_string(address));
  }
  const AddressList found = FTVM_TRY(resolve(address, 0));
  int error = 0;
  for (const addrinfo* each = found.get(); each != nullptr; each = each->ai_next) {
    ScopedFd fd(::socket(each->ai_family, kSocketFlags, 0));
    if (fd) tune(fd.get());
    if (fd && (::connect(fd.get(), each->ai_addr, each->ai_addrlen) == 0 || errno == EINPROGRESS)) {
      return fd;
    }
    error = errno;
  }
  errno = error;
  return error_from_errno("connecting to " + to_string(address));
}

int connect_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

ScopedFd accept_client(int listen_fd) {
  ScopedFd fd(::accept4(listen_fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd) tune(fd.get());
  return fd;
}

}  // namespace ftvm::devices::host
