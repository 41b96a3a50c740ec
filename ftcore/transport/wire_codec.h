// Peer messages to bytes and back. One message is one frame (replay/frame.h); its payload is a
// fixed envelope and then a body, of which only the body is protobuf. Everything that comes in is
// checked here, so the protocol never meets a message that could not have been sent.
//
// Whether a message belongs to the current session is not decided here.
//
// Source: docs/formats/wire.md; proto/wire.proto.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "emulator/base/bytes.h"
#include "emulator/base/result.h"
#include "ftcore/protocol/message.h"
#include "ftcore/transport/wire_body_codec.h"
#include "replay/frame.h"
#include "replay/journal_codec.h"

namespace ftvm::ftcore {

/// Of the bytes; what the messages mean has a version of its own (kProtocolVersion).
inline constexpr std::uint32_t kWireVersion = 5;

/// Version, pair, session and epoch in front of every body.
inline constexpr std::size_t kWireEnvelopeBytes = 4 + 16 + 16 + 8;
/// Largest message of all, and largest one that carries no records. Units: bytes, frame included.
inline constexpr std::size_t kWireMessageBytesMax =
    replay::kFrameOverheadBytes + replay::kFramePayloadMax;
inline constexpr std::size_t kWireSmallMessageBytesMax = std::size_t{512} << 10;
/// The sum of replay::encoded_bytes_max() over the records of one message stays within this.
inline constexpr std::size_t kWireRecordsBytesMax =
    replay::kFramePayloadMax - kWireEnvelopeBytes - replay::kBatchOverheadMax;

inline constexpr std::size_t kWireArbiterBytesMax = 4096;
inline constexpr std::uint32_t kDetectionMsMax = 3'600'000;

/// Whether the message could cross the wire at all. Reasons are not looked at: encoding makes them
/// clean and short enough. Errors: kBadData, naming message and field.
Status check_message(const Message& message);

/// Range: passes check_message; records are fit for replay::encode_records and within
/// kWireRecordsBytesMax (asserted).
[[nodiscard]] Bytes encode_message(const Message& message);

/// Exactly one whole message. Errors: kMismatch for another wire version, else kBadData.
Result<Message> decode_message(ByteView bytes);

/// The version of a whole message that decode_message refuses with kMismatch.
std::optional<std::uint32_t> foreign_version(ByteView bytes);
/// A Refuse as a program of wire version `version` reads it: frame, envelope and Refuse are the
/// same in all versions, so that two that differ can say so.
[[nodiscard]] Bytes encode_refusal(std::uint32_t version, const std::string& reason);

}  // namespace ftvm::ftcore
