// Heartbeats to datagrams and back. The layout is fixed, without protobuf, and every byte is
// covered by an authenticator under the session's key, so a stranger can neither keep a dead node
// alive nor make a live one look stuck.
//
//   offset  size  field (little-endian)
//        0     4  magic "FTVH"
//        4     1  version
//        5     1  flags: 1 paused, 2 sent by the primary
//        6     2  zero
//        8    16  session
//       24     8  epoch
//       32     8  number
//       40     8  progress
//       48    32  crypto_auth (HMAC-SHA512-256) of bytes 0 to 47
//
// The flag of the sender keeps a node's own datagrams, thrown back at it, from passing for the
// peer's: both nodes use one key.
//
// Source: docs/formats/wire.md, "Heartbeats"; libsodium documentation, "Secret-key authentication".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "emulator/base/bytes.h"
#include "emulator/base/result.h"
#include "ftcore/protocol/message.h"

namespace ftvm::ftcore {

inline constexpr std::size_t kHeartbeatBytes = 80;
inline constexpr std::uint8_t kHeartbeatVersion = 1;

using HeartbeatKey = std::array<std::uint8_t, 32>;

/// Which node of the pair sends.
enum class HeartbeatSide : std::uint8_t { kBackup = 0, kPrimary = 1 };

[[nodiscard]] std::array<std::uint8_t, kHeartbeatBytes> encode_heartbeat(const Heartbeat& heartbeat,
                                                                         HeartbeatSide sender,
                                                                         const HeartbeatKey& key);

/// Whether the heartbeat is of the current session and newer than the last one is not decided here.
/// Errors: kBadData for anything that `sender` did not make with this key.
Result<Heartbeat> decode_heartbeat(ByteView datagram, HeartbeatSide sender,
                                   const HeartbeatKey& key);

}  // namespace ftvm::ftcore
