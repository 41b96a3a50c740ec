// The bodies of peer messages to bytes and back: the part of the wire format that is protobuf.
// Envelope, frame and the ranges of values are wire_codec's business.
//
// Source: docs/formats/wire.md, "Bodies"; proto/wire.proto.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "emulator/base/bytes.h"
#include "emulator/base/result.h"
#include "ftcore/protocol/message.h"
#include "replay/frame.h"

namespace ftvm::ftcore {

using MessageBody = decltype(Message::body);

/// Frame types of messages. Values are format: append only.
enum class WireType : std::uint8_t {
  kHello = 64,
  kWelcome = 65,
  kJoined = 66,
  kRefuse = 67,
  kRecords = 68,
  kProgress = 69,
  kAck = 70,
  kKeepalive = 71,
  kBye = 72,
  kHigherEpoch = 73,
  kConfirmed = 74,
};
static_assert(static_cast<int>(WireType::kHello) ==
              static_cast<int>(replay::FrameType::kFirstWire));

/// Reasons are cut to this length when they are sent.
inline constexpr std::size_t kWireReasonBytesMax = 1024;

[[nodiscard]] WireType wire_type(const MessageBody& body);
/// Stable name for people: "hello", "welcome", ..., or "unknown".
[[nodiscard]] std::string_view wire_type_name(WireType type);

/// Range: records are fit for replay::encode_records (asserted there).
[[nodiscard]] Bytes encode_body(const MessageBody& body);

/// Accepts only bytes that encode_body makes. Errors: kBadData, naming the field.
Result<MessageBody> decode_body(WireType type, ByteView bytes);

}  // namespace ftvm::ftcore
