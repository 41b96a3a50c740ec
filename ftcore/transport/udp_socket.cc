#include "ftcore/transport/udp_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "emulator/base/assert.h"

namespace ftvm::ftcore {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

std::string text_of(const UdpEndpoint& endpoint) {
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  return "udp " + (v6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" +
         std::to_string(endpoint.port);
}

Error usage(const UdpEndpoint& endpoint, const char* what) {
  return Error(ErrorCode::kUsage, text_of(endpoint) + ": " + what);
}

template <class Address>
UdpAddress to_storage(const Address& address) {
  UdpAddress out;
  static_assert(sizeof address <= sizeof out.storage);
  std::memcpy(&out.storage, &address, sizeof address);
  out.size = sizeof address;
  return out;
}

Result<UdpAddress> to_address(const UdpEndpoint& endpoint) {
  sockaddr_in v4{};
  if (::inet_pton(AF_INET, endpoint.host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    return to_storage(v4);
  }
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET6, endpoint.host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    return to_storage(v6);
  }
  return usage(endpoint, "not a numeric address");
}

}  // namespace

Result<UdpSocket> UdpSocket::bind(const UdpEndpoint& local) {
  const UdpAddress address = FTVM_TRY(to_address(local));
  UdpSocket self;
  self.family_ = address.family();
  self.fd_.reset(::socket(self.family_, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!self.fd_) return error_from_errno(text_of(local));
  const int off = 0;
  const int on = 1;
  // Without it a datagram seems to have come when it is taken: later, but never wrong.
  (void)::setsockopt(self.fd_.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  if (self.family_ == AF_INET6 &&
      ::setsockopt(self.fd_.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0) {
    return error_from_errno(text_of(local));
  }
  const auto* raw = reinterpret_cast<const sockaddr*>(&address.storage);
  if (::bind(self.fd_.get(), raw, address.size) != 0) {
    if (errno == EADDRNOTAVAIL) return usage(local, "this machine has no such address");
    if (errno == EADDRINUSE) {
      return Error(ErrorCode::kIo, text_of(local) + ": the port is taken by another process");
    }
    return error_from_errno(text_of(local));
  }
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(self.fd_.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return error_from_errno(text_of(local));
  }
  // Both forms have the port in the same place.
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  in_port_t port = 0;
  std::memcpy(&port, reinterpret_cast<const char*>(&bound) + offsetof(sockaddr_in, sin_port),
              sizeof port);
  self.port_ = ntohs(port);
  return self;
}

Result<UdpAddress> UdpSocket::resolve(const UdpEndpoint& remote) const {
  if (remote.port == 0) return usage(remote, "no port");
  UdpEndpoint target = remote;
  const UdpAddress address = FTVM_TRY(to_address(target));
  if (address.family() == family_) return address;
  if (family_ == AF_INET6) {
    target.host = "::ffff:" + target.host;  // IPv4 through an IPv6 socket.
    return to_address(target);
  }
  constexpr std::string_view kMapped = "::ffff:";
  if (target.host.starts_with(kMapped)) {
    target.host = target.host.substr(kMapped.size());
    Result<UdpAddress> unmapped = to_address(target);
    if (unmapped && unmapped->family() == AF_INET) return unmapped;
  }
  return usage(remote, "an IPv6 address, but this socket is bound to an IPv4 one");
}

bool UdpSocket::send_to(const UdpAddress& remote, ByteView datagram) const {
  const auto* raw = reinterpret_cast<const sockaddr*>(&remote.storage);
  return ::sendto(fd_.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL, raw, remote.size) ==
         static_cast<ssize_t>(datagram.size());
}

std::optional<UdpSocket::Datagram> UdpSocket::receive(std::span<std::uint8_t> buffer) const {
  iovec piece{buffer.data(), buffer.size()};
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(timespec))> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = ::recvmsg(fd_.get(), &message, 0);
  if (size < 0) return std::nullopt;
  Datagram datagram{.size_bytes = static_cast<std::size_t>(size)};
  const cmsghdr* first = CMSG_FIRSTHDR(&message);
  if (first != nullptr && first->cmsg_level == SOL_SOCKET && first->cmsg_type == SO_TIMESTAMPNS) {
    timespec came{}, now{};
    std::memcpy(&came, CMSG_DATA(first), sizeof came);
    (void)::clock_gettime(CLOCK_REALTIME, &now);
    const std::int64_t age =
        (now.tv_sec - came.tv_sec) * kNsPerSecond + (now.tv_nsec - came.tv_nsec);
    datagram.age_ns = std::max<std::int64_t>(0, age);
  }
  return datagram;
}

}  // namespace ftvm::ftcore
