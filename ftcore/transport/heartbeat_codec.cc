#include "ftcore/transport/heartbeat_codec.h"

#include <sodium.h>

#include <algorithm>
#include <string>

#include "emulator/base/assert.h"

namespace ftvm::ftcore {
namespace {

constexpr std::array<std::uint8_t, 4> kMagic{'F', 'T', 'V', 'H'};
constexpr std::size_t kVersionAt = 4;
constexpr std::size_t kFlagsAt = 5;
constexpr std::size_t kZeroAt = 6;
constexpr std::size_t kSessionAt = 8;
constexpr std::size_t kEpochAt = 24;
constexpr std::size_t kNumberAt = 32;
constexpr std::size_t kProgressAt = 40;
constexpr std::size_t kAuthenticatorAt = 48;
constexpr std::uint8_t kPausedFlag = 1;
constexpr std::uint8_t kPrimaryFlag = 2;

static_assert(kAuthenticatorAt + crypto_auth_BYTES == kHeartbeatBytes);
static_assert(std::tuple_size_v<HeartbeatKey> == crypto_auth_KEYBYTES);

Error bad(const char* what) {
  return Error(ErrorCode::kBadData, std::string("heartbeat: ") + what);
}

std::uint8_t flag_of(HeartbeatSide sender) {
  return sender == HeartbeatSide::kPrimary ? kPrimaryFlag : 0;
}

}  // namespace

std::array<std::uint8_t, kHeartbeatBytes> encode_heartbeat(const Heartbeat& heartbeat,
                                                           HeartbeatSide sender,
                                                           const HeartbeatKey& key) {
  std::array<std::uint8_t, kHeartbeatBytes> out{};
  std::ranges::copy(kMagic, out.begin());
  out[kVersionAt] = kHeartbeatVersion;
  out[kFlagsAt] = static_cast<std::uint8_t>((heartbeat.paused ? kPausedFlag : 0) | flag_of(sender));
  std::ranges::copy(heartbeat.session.bytes, out.begin() + kSessionAt);
  store_le(out.data() + kEpochAt, heartbeat.epoch.value);
  store_le(out.data() + kNumberAt, heartbeat.number);
  store_le(out.data() + kProgressAt, heartbeat.progress.value);
  crypto_auth(out.data() + kAuthenticatorAt, out.data(), kAuthenticatorAt, key.data());
  return out;
}

Result<Heartbeat> decode_heartbeat(ByteView datagram, HeartbeatSide sender,
                                   const HeartbeatKey& key) {
  if (datagram.size() != kHeartbeatBytes) return bad("wrong length");
  const std::uint8_t* in = datagram.data();
  // Cheap tests first: noise should not cost a hash.
  if (!std::ranges::equal(datagram.first(kMagic.size()), kMagic)) return bad("wrong magic");
  if (crypto_auth_verify(in + kAuthenticatorAt, in, kAuthenticatorAt, key.data()) != 0) {
    return bad("not made with this session's key");
  }
  if (in[kVersionAt] != kHeartbeatVersion) return bad("unknown version");
  if ((in[kFlagsAt] & ~kPausedFlag) != flag_of(sender)) return bad("not from the peer");
  if (load_le<std::uint16_t>(in + kZeroAt) != 0) return bad("unknown fields");
  Heartbeat heartbeat;
  std::copy_n(in + kSessionAt, heartbeat.session.bytes.size(), heartbeat.session.bytes.begin());
  heartbeat.epoch = {load_le<std::uint64_t>(in + kEpochAt)};
  heartbeat.number = load_le<std::uint64_t>(in + kNumberAt);
  heartbeat.progress = {load_le<std::uint64_t>(in + kProgressAt)};
  heartbeat.paused = (in[kFlagsAt] & kPausedFlag) != 0;
  return heartbeat;
}

}  // namespace ftvm::ftcore
