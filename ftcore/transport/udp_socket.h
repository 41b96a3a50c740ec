// A non-blocking UDP socket bound to one address, IPv4 or IPv6, given and told in numbers only: no
// name is ever looked up, because that could block for seconds.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "emulator/base/bytes.h"
#include "emulator/base/result.h"
#include "emulator/base/scoped_fd.h"

namespace ftvm::ftcore {

/// A numeric address and a port in the form the system wants.
struct UdpAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] int family() const { return storage.ss_family; }
};

struct UdpEndpoint {
  std::string host;  // Numeric, IPv6 without brackets.
  std::uint16_t port = 0;
  bool operator==(const UdpEndpoint&) const = default;
};

class UdpSocket {
 public:
  UdpSocket() = default;

  /// Port 0 lets the system choose one. An IPv6 socket also speaks IPv4. Errors: kUsage for an
  /// address that is not numeric or not of this machine, kIo, naming the port, when it is taken.
  static Result<UdpSocket> bind(const UdpEndpoint& local);

  [[nodiscard]] int descriptor() const { return fd_.get(); }
  [[nodiscard]] std::uint16_t port() const { return port_; }

  /// In the form that send_to() takes. Errors: kUsage when it is not numeric, has no port, or is
  /// IPv6 and this socket is not.
  [[nodiscard]] Result<UdpAddress> resolve(const UdpEndpoint& remote) const;

  /// False when the system did not take the datagram; as with a lost one, nothing is to be done.
  bool send_to(const UdpAddress& remote, ByteView datagram) const;

  struct Datagram {
    std::size_t size_bytes = 0;  // Cut to the buffer.
    /// So long ago the system took it from the network. As good as the host's clock: who steps it
    /// makes this wrong. Range: not negative.
    std::int64_t age_ns = 0;
  };
  /// The next datagram; nothing when there is none.
  std::optional<Datagram> receive(std::span<std::uint8_t> buffer) const;

 private:
  ScopedFd fd_;
  int family_ = 0;
  std::uint16_t port_ = 0;
};

}  // namespace ftvm::ftcore
