#include "ftcore/transport/wire_codec.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "emulator/base/assert.h"
#include "replay/record_check.h"

namespace ftvm::ftcore {
namespace {

using replay::check_range;

Error bad(std::string what) {
  return Error(ErrorCode::kBadData, std::move(what));
}

Status check_not_zero(std::string_view field, const Uuid& uuid) {
  if (uuid.is_zero()) return bad(std::string(field) + " is zero");
  return {};
}

Status check(const Hello& body) {
  FTVM_TRY(check_range("protocol_version", body.protocol_version, 1, ~std::uint32_t{0}));
  FTVM_TRY(check_not_zero("incarnation", body.incarnation));
  if (body.takes_time && body.identity.boot_unix_s != 0) {
    return bad("a hello that takes the primary's time of day names one");
  }
  return check_range("length of arbiter", body.arbiter.size(), 0, kWireArbiterBytesMax);
}
Status check(const Welcome& body) {
  FTVM_TRY(check_not_zero("pair", body.pair));
  FTVM_TRY(check_not_zero("session", body.session));
  FTVM_TRY(check_not_zero("incarnation", body.incarnation));
  FTVM_TRY(check_range("detection_ms", body.detection_ms, 1, kDetectionMsMax));
  return check_range("heartbeat_ms", body.heartbeat_ms, 1, body.detection_ms);
}
Status check(const Records& body) {
  return check_range("record count", body.records.size(), 1, replay::kBatchRecordsMax);
}
template <class Body>
Status check(const Body&) {
  return {};
}

/// Whether a message of this kind exists only within a session.
template <class Body>
constexpr bool kOnlyInSession = std::is_same_v<Body, Joined> || std::is_same_v<Body, Records> ||
                                std::is_same_v<Body, Progress> || std::is_same_v<Body, Ack> ||
                                std::is_same_v<Body, Keepalive> || std::is_same_v<Body, Confirmed>;

template <class Body>
Status check_envelope(const Message& message) {
  if constexpr (std::is_same_v<Body, Hello>) {
    if (!message.pair.is_zero() || !message.session.is_zero()) {
      return bad("a hello names a pair or a session");
    }
  }
  if constexpr (kOnlyInSession<Body>) {
    FTVM_TRY(check_not_zero("pair", message.pair));
    FTVM_TRY(check_not_zero("session", message.session));
  }
  return {};
}

Uuid take_uuid(ByteReader& reader) {
  Uuid uuid;
  const std::optional<ByteView> bytes = reader.get_bytes(uuid.bytes.size());
  FTVM_ASSERT(bytes.has_value());
  std::ranges::copy(*bytes, uuid.bytes.begin());
  return uuid;
}

Result<Message> decode_payload(WireType type, ByteView payload) {
  FTVM_TRY(check_range("length", payload.size(), kWireEnvelopeBytes, replay::kFramePayloadMax));
  if (type != WireType::kRecords) {
    FTVM_TRY(check_range("length", payload.size(), 0,
                         kWireSmallMessageBytesMax - replay::kFrameOverheadBytes));
  }
  ByteReader reader(payload);
  const std::uint32_t version = *reader.get<std::uint32_t>();
  if (version != kWireVersion) {
    return Error(ErrorCode::kMismatch, "wire version " + std::to_string(version) +
                                           "; this program speaks version " +
                                           std::to_string(kWireVersion));
  }
  Message message;
  message.pair = take_uuid(reader);
  message.session = take_uuid(reader);
  message.epoch = {*reader.get<std::uint64_t>()};
  message.body = FTVM_TRY(decode_body(type, payload.subspan(kWireEnvelopeBytes)));
  FTVM_TRY(check_message(message));
  return message;
}

}  // namespace

Status check_message(const Message& message) {
  return std::visit(
      [&message](const auto& body) -> Status {
        FTVM_TRY(check_envelope<std::decay_t<decltype(body)>>(message));
        return check(body);
      },
      message.body);
}

namespace {

Bytes encode_as(std::uint32_t version, const Message& message) {
  const Bytes body = encode_body(message.body);
  Bytes payload;
  payload.reserve(kWireEnvelopeBytes + body.size());
  ByteWriter writer(payload);
  writer.put(version);
  writer.put_bytes(message.pair.bytes);
  writer.put_bytes(message.session.bytes);
  writer.put(message.epoch.value);
  FTVM_ASSERT(payload.size() == kWireEnvelopeBytes);
  writer.put_bytes(body);
  Bytes out;
  const WireType type = wire_type(message.body);
  replay::append_frame(out, static_cast<replay::FrameType>(type), payload);
  FTVM_ASSERT(type == WireType::kRecords || out.size() <= kWireSmallMessageBytesMax);
  return out;
}

}  // namespace

Bytes encode_message(const Message& message) {
  const Status checked = check_message(message);
  FTVM_ASSERT(checked.has_value());
  return encode_as(kWireVersion, message);
}

Bytes encode_refusal(std::uint32_t version, const std::string& reason) {
  return encode_as(version, {{}, {}, {}, Refuse{reason}});
}

std::optional<std::uint32_t> foreign_version(ByteView bytes) {
  const replay::FrameStep step = replay::parse_frame(bytes);
  if (step.verdict != replay::FrameVerdict::kFrame || step.size_bytes != bytes.size()) return {};
  const auto version = ByteReader(step.frame.payload).get<std::uint32_t>();
  if (step.frame.payload.size() < kWireEnvelopeBytes || version == kWireVersion) return {};
  return version;
}

Result<Message> decode_message(ByteView bytes) {
  const replay::FrameStep step = replay::parse_frame(bytes);
  if (step.verdict == replay::FrameVerdict::kNeedMore) return bad("message: cut off");
  if (step.verdict != replay::FrameVerdict::kFrame) return bad("message: " + std::string(step.why));
  if (step.size_bytes != bytes.size()) return bad("message: data behind its end");
  if (step.frame.flags != 0) return bad("message: unknown flags");
  const auto type = static_cast<WireType>(step.frame.type);
  Result<Message> message = decode_payload(type, step.frame.payload);
  if (!message) message.error().context("message " + std::string(wire_type_name(type)));
  return message;
}

}  // namespace ftvm::ftcore
