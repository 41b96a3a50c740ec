// Where a channel listens or connects to, as the user writes it, and the rule that an address other
// machines can reach needs a key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "emulator/base/result.h"

namespace ftvm::ftcore {

struct ChannelAddress {
  enum class Kind : std::uint8_t { kTcp, kIpc };
  Kind kind = Kind::kTcp;
  std::string host;  // Of kTcp: address or name, IPv6 without brackets.
  std::uint16_t port = 0;
  std::string path;  // Of kIpc.
  bool operator==(const ChannelAddress&) const = default;

  /// "tcp://127.0.0.1:7000", "tcp://[::1]:7000", "ipc:///run/ftvm/a".
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool is_ipv6() const { return host.find(':') != std::string::npos; }
  /// Reachable from this machine only: 127.0.0.0/8, ::1, or a path. A name is never.
  [[nodiscard]] bool is_loopback() const;
};

/// "HOST:PORT", "[IPV6]:PORT", either with "tcp://" in front, or "ipc://PATH". "localhost" is
/// 127.0.0.1, "*" is 0.0.0.0. Port 0 lets the system choose one. Errors: kUsage.
Result<ChannelAddress> parse_channel_address(std::string_view text);

/// Errors: kUsage when traffic without a key would leave the machine and `insecure` is not set.
Status check_exposure(const ChannelAddress& address, bool has_key, bool insecure);

}  // namespace ftvm::ftcore
