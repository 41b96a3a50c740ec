// Where a console socket is, and the few socket calls that every endpoint here needs. All sockets
// are non-blocking and close on exec.
//
// Source: ip(7), unix(7), getaddrinfo(3).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "emulator/base/result.h"
#include "emulator/base/scoped_fd.h"

namespace ftvm::devices::host {

struct SocketAddress {
  enum class Kind { kTcp, kUnix };
  Kind kind = Kind::kTcp;
  std::string host = {};   // Of kTcp: a name or an address; IPv6 without brackets.
  std::uint16_t port = 0;  // Of kTcp; 0 lets the kernel choose.
  std::string path = {};   // Of kUnix.
  bool operator==(const SocketAddress&) const = default;
};

/// "tcp:HOST:PORT", "unix:PATH" or plain "HOST:PORT"; an IPv6 address is in brackets.
/// Errors: kUsage.
Result<SocketAddress> parse_socket_address(std::string_view text);
/// As parse_socket_address() reads it.
std::string to_string(const SocketAddress& address);

/// A listening socket. A Unix socket is the user's alone (0600); a file of one that nobody listens
/// on any more is replaced.
/// Errors: kNotFound (no such host), kIo.
Result<ScopedFd> listen_on(const SocketAddress& address);
/// The port the kernel chose. Precondition: `fd` is a bound TCP socket.
Result<std::uint16_t> bound_port(int fd);
/// Starts to connect; done when the socket is writable, and then connect_error() says how it went.
/// Errors: kNotFound, kIo.
Result<ScopedFd> connect_to(const SocketAddress& address);
/// 0 or the errno of a finished connect.
int connect_error(int fd);
/// The next waiting client; empty when there is none. Small writes leave at once, and a peer that
/// vanished without a word is noticed within about ten seconds.
ScopedFd accept_client(int listen_fd);

}  // namespace ftvm::devices::host
