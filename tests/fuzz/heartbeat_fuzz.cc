// Heartbeat datagrams from hostile bytes: as they are, and with an authenticator that fits, as if
// the key were known.
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>

#include "ftcore/transport/heartbeat_codec.h"

namespace {

using namespace ftvm::ftcore;

constexpr std::size_t kCoveredBytes = kHeartbeatBytes - crypto_auth_BYTES;

/// What is let in is, byte for byte, what we would have sent.
void check(ftvm::ByteView datagram, const HeartbeatKey& key) {
  for (const HeartbeatSide side : {HeartbeatSide::kPrimary, HeartbeatSide::kBackup}) {
    const auto heartbeat = decode_heartbeat(datagram, side, key);
    if (!heartbeat) continue;
    if (!std::ranges::equal(encode_heartbeat(*heartbeat, side, key), datagram)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  HeartbeatKey key;
  key.fill(7);
  check({data, size}, key);
  std::array<std::uint8_t, kHeartbeatBytes> forged{};
  std::copy_n(data, std::min(size, kCoveredBytes), forged.begin());
  crypto_auth(forged.data() + kCoveredBytes, forged.data(), kCoveredBytes, key.data());
  check(forged, key);
  return 0;
}
