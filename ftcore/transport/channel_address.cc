#include "ftcore/transport/channel_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace ftvm::ftcore {
namespace {

constexpr std::string_view kTcpScheme = "tcp://";
constexpr std::string_view kIpcScheme = "ipc://";
constexpr std::size_t kHostBytesMax = 255;
constexpr std::size_t kPathBytesMax = sizeof(sockaddr_un::sun_path) - 1;

Error usage(std::string_view text, std::string_view what) {
  return Error(ErrorCode::kUsage, std::string(what)).context("address '" + std::string(text) + "'");
}

bool is_host_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '_';
}

bool is_ipv6_literal(const std::string& host) {
  in6_addr address{};
  return ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool parse_port(std::string_view digits, std::uint16_t& port) {
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, port);
  return error == std::errc() && stop == end && !digits.empty();
}

Result<ChannelAddress> parse_ipc(std::string_view text, std::string_view path) {
  if (path.empty()) return usage(text, "no path behind ipc://");
  if (path.size() > kPathBytesMax) {
    return usage(text, "the path is longer than " + std::to_string(kPathBytesMax) + " bytes");
  }
  // ZeroMQ gives a meaning of its own to '@' (abstract names, which have no file permissions) and
  // to '*' (a temporary name).
  if (path[0] == '@' || path[0] == '*' || path.find('\0') != std::string_view::npos) {
    return usage(text, "use the path of a file");
  }
  ChannelAddress address;
  address.kind = ChannelAddress::Kind::kIpc;
  address.path = path;
  return address;
}

}  // namespace

std::string ChannelAddress::text() const {
  if (kind == Kind::kIpc) return std::string(kIpcScheme) + path;
  const std::string shown = is_ipv6() ? "[" + host + "]" : host;
  return std::string(kTcpScheme) + shown + ":" + std::to_string(port);
}

bool ChannelAddress::is_loopback() const {
  if (kind == Kind::kIpc) return true;
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) {
    return (ntohl(v4.s_addr) >> 24) == IN_LOOPBACKNET;
  }
  in6_addr v6{};
  return ::inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

Result<ChannelAddress> parse_channel_address(std::string_view text) {
  if (text.starts_with(kIpcScheme)) return parse_ipc(text, text.substr(kIpcScheme.size()));
  std::string_view rest = text;
  if (rest.starts_with(kTcpScheme)) rest.remove_prefix(kTcpScheme.size());
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) return usage(text, "no port; use HOST:PORT or ipc://PATH");
  ChannelAddress address;
  if (!parse_port(rest.substr(colon + 1), address.port)) {
    return usage(text, "the port is not a number from 0 to 65535");
  }
  std::string_view host = rest.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  address.host = host;
  if (bracketed && !is_ipv6_literal(address.host)) {
    return usage(text, "no IPv6 address between the brackets");
  }
  if (host == "localhost") address.host = "127.0.0.1";
  if (host == "*") address.host = "0.0.0.0";
  if (bracketed) return address;
  if (address.host.empty() || address.host.size() > kHostBytesMax ||
      !std::ranges::all_of(address.host, is_host_char)) {
    return usage(text, "no host name or address before the port; write IPv6 as [ADDRESS]:PORT");
  }
  return address;
}

Status check_exposure(const ChannelAddress& address, bool has_key, bool insecure) {
  if (has_key || insecure || address.is_loopback()) return {};
  return Error(
      ErrorCode::kUsage,
      address.text() +
          " is not a loopback address, and there is no key: whoever reaches it "
          "could read the guest's memory or stop the pair; give both nodes the same --key FILE "
          "(made by 'ftvm keygen'), or say --insecure");
}

}  // namespace ftvm::ftcore
