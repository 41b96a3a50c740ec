#include "ftcore/transport/wire_body_codec.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "emulator/base/assert.h"
#include "ftcore/transport/wire_text.h"
#include "proto/wire.pb.h"
#include "replay/codec_util.h"
#include "replay/header_codec.h"
#include "replay/journal_codec.h"
#include "replay/record_check.h"

namespace ftvm::ftcore {
namespace {

namespace wire = ftvm::proto::wire;
using replay::check_range;

Error bad(std::string what) {
  return Error(ErrorCode::kBadData, std::move(what));
}

ByteView view_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// ------------------------------------------------------------- structs to bodies, one overload
// each

Bytes body_bytes(const Hello& body) {
  wire::Hello out;
  const Bytes identity = replay::encode_identity(body.identity);
  out.set_protocol_version(body.protocol_version);
  out.set_incarnation(body.incarnation.bytes.data(), body.incarnation.bytes.size());
  out.set_identity(identity.data(), identity.size());
  out.set_start_seq(body.start_seq.value);
  out.set_start_snapshot_low(body.start_snapshot.words[0]);
  out.set_start_snapshot_high(body.start_snapshot.words[1]);
  out.set_arbiter(body.arbiter);
  out.set_takes_time(body.takes_time);
  return replay::serialize_message(out);
}
Bytes body_bytes(const Welcome& body) {
  wire::Welcome out;
  out.set_pair(body.pair.bytes.data(), body.pair.bytes.size());
  out.set_session(body.session.bytes.data(), body.session.bytes.size());
  out.set_incarnation(body.incarnation.bytes.data(), body.incarnation.bytes.size());
  out.set_epoch(body.epoch.value);
  out.set_heartbeat_key(body.heartbeat_key.data(), body.heartbeat_key.size());
  out.set_detection_ms(body.detection_ms);
  out.set_heartbeat_ms(body.heartbeat_ms);
  out.set_heartbeat_port(body.heartbeat_port);
  out.set_boot_unix_s(body.boot_unix_s);
  return replay::serialize_message(out);
}
Bytes body_bytes(const Joined& body) {
  wire::Joined out;
  out.set_heartbeat_port(body.heartbeat_port);
  return replay::serialize_message(out);
}
Bytes body_bytes(const Refuse& body) {
  wire::Refuse out;
  out.set_reason(clean_text(body.reason, kWireReasonBytesMax));
  return replay::serialize_message(out);
}
Bytes body_bytes(const Records& body) {
  return replay::encode_records(body.records);
}
Bytes body_bytes(const Progress& body) {
  wire::Progress out;
  out.set_tick(body.tick.value);
  out.set_recorded(body.recorded.value);
  out.set_ran_us(body.ran_us);
  return replay::serialize_message(out);
}
Bytes body_bytes(const Ack& body) {
  wire::Ack out;
  out.set_accepted(body.accepted.value);
  out.set_executed(body.executed.value);
  out.set_room_bytes(body.room_bytes);
  out.set_lag_us(body.lag_us);
  out.set_backlog_us(body.backlog_us);
  return replay::serialize_message(out);
}
Bytes body_bytes(const Keepalive& body) {
  wire::Keepalive out;
  out.set_paused(body.paused);
  return replay::serialize_message(out);
}
Bytes body_bytes(const Bye& body) {
  wire::Bye out;
  out.set_reason(clean_text(body.reason, kWireReasonBytesMax));
  return replay::serialize_message(out);
}
Bytes body_bytes(const HigherEpoch& body) {
  wire::HigherEpoch out;
  out.set_epoch(body.epoch.value);
  return replay::serialize_message(out);
}
Bytes body_bytes(const Confirmed& body) {
  wire::Confirmed out;
  out.set_mark(body.mark.value);
  return replay::serialize_message(out);
}

// ------------------------------------------------------------- bodies to structs, one function
// each

/// Only the one encoding that we would have made is accepted: it leaves no room for unknown or
/// repeated fields and for data behind the last one.
template <class Body>
Result<Body> parse_body(ByteView bytes) {
  Body body;
  FTVM_TRY(replay::parse_message(bytes, "the body", &body));
  body.DiscardUnknownFields();  // They would be written again, and look like ours.
  if (!std::ranges::equal(replay::serialize_message(body), bytes)) {
    return bad("the body has fields that this version does not know, or not in their only form");
  }
  return body;
}

template <std::size_t size>
Status copy_exactly(std::string_view field, const std::string& from,
                    std::array<std::uint8_t, size>& to) {
  FTVM_TRY(check_range("length of " + std::string(field), from.size(), size, size));
  std::copy(from.begin(), from.end(), to.begin());
  return {};
}

Result<std::uint16_t> to_port(std::uint32_t port) {
  FTVM_TRY(check_range("heartbeat_port", port, 0, 0xffff));
  return static_cast<std::uint16_t>(port);
}

Result<std::string> to_reason(const std::string& reason) {
  FTVM_TRY(check_range("length of reason", reason.size(), 0, kWireReasonBytesMax));
  if (!is_clean_text(reason)) return bad("the reason is not printable UTF-8");
  return reason;
}

Result<Hello> to_hello(ByteView bytes) {
  const wire::Hello in = FTVM_TRY(parse_body<wire::Hello>(bytes));
  Hello body;
  body.protocol_version = in.protocol_version();
  FTVM_TRY(copy_exactly("incarnation", in.incarnation(), body.incarnation.bytes));
  body.identity = FTVM_TRY(replay::decode_identity(view_of(in.identity())));
  body.start_seq = {in.start_seq()};
  body.start_snapshot = {{in.start_snapshot_low(), in.start_snapshot_high()}};
  body.arbiter = in.arbiter();
  body.takes_time = in.takes_time();
  return body;
}
Result<Welcome> to_welcome(ByteView bytes) {
  const wire::Welcome in = FTVM_TRY(parse_body<wire::Welcome>(bytes));
  Welcome body;
  FTVM_TRY(copy_exactly("pair", in.pair(), body.pair.bytes));
  FTVM_TRY(copy_exactly("session", in.session(), body.session.bytes));
  FTVM_TRY(copy_exactly("incarnation", in.incarnation(), body.incarnation.bytes));
  FTVM_TRY(copy_exactly("heartbeat_key", in.heartbeat_key(), body.heartbeat_key));
  body.epoch = {in.epoch()};
  body.detection_ms = in.detection_ms();
  body.heartbeat_ms = in.heartbeat_ms();
  body.heartbeat_port = FTVM_TRY(to_port(in.heartbeat_port()));
  body.boot_unix_s = in.boot_unix_s();
  return body;
}
Result<Joined> to_joined(ByteView bytes) {
  const wire::Joined in = FTVM_TRY(parse_body<wire::Joined>(bytes));
  return Joined{FTVM_TRY(to_port(in.heartbeat_port()))};
}
Result<Refuse> to_refuse(ByteView bytes) {
  const wire::Refuse in = FTVM_TRY(parse_body<wire::Refuse>(bytes));
  return Refuse{FTVM_TRY(to_reason(in.reason()))};
}
Result<Records> to_records(ByteView bytes) {
  return Records{FTVM_TRY(replay::decode_records(bytes))};
}
Result<Progress> to_progress(ByteView bytes) {
  const wire::Progress in = FTVM_TRY(parse_body<wire::Progress>(bytes));
  return Progress{{in.tick()}, {in.recorded()}, in.ran_us()};
}
Result<Ack> to_ack(ByteView bytes) {
  const wire::Ack in = FTVM_TRY(parse_body<wire::Ack>(bytes));
  return Ack{{in.accepted()}, {in.executed()}, in.room_bytes(), in.lag_us(), in.backlog_us()};
}
Result<Keepalive> to_keepalive(ByteView bytes) {
  const wire::Keepalive in = FTVM_TRY(parse_body<wire::Keepalive>(bytes));
  return Keepalive{in.paused()};
}
Result<Bye> to_bye(ByteView bytes) {
  const wire::Bye in = FTVM_TRY(parse_body<wire::Bye>(bytes));
  return Bye{FTVM_TRY(to_reason(in.reason()))};
}
Result<HigherEpoch> to_higher_epoch(ByteView bytes) {
  const wire::HigherEpoch in = FTVM_TRY(parse_body<wire::HigherEpoch>(bytes));
  return HigherEpoch{{in.epoch()}};
}
Result<Confirmed> to_confirmed(ByteView bytes) {
  const wire::Confirmed in = FTVM_TRY(parse_body<wire::Confirmed>(bytes));
  return Confirmed{{in.mark()}};
}

// ------------------------------------------------------------------------------------- the table

/// One row per alternative of Message::body, in its order.
struct BodyKind {
  WireType type;
  std::string_view name;
  Status (*decode)(ByteView bytes, MessageBody& into);
};

template <auto convert>
Status decode_into(ByteView bytes, MessageBody& into) {
  into = FTVM_TRY(convert(bytes));
  return {};
}

constexpr std::array<BodyKind, 11> kBodyKinds{{
    {WireType::kHello, "hello", decode_into<to_hello>},
    {WireType::kWelcome, "welcome", decode_into<to_welcome>},
    {WireType::kJoined, "joined", decode_into<to_joined>},
    {WireType::kRefuse, "refuse", decode_into<to_refuse>},
    {WireType::kRecords, "records", decode_into<to_records>},
    {WireType::kProgress, "progress", decode_into<to_progress>},
    {WireType::kAck, "ack", decode_into<to_ack>},
    {WireType::kKeepalive, "keepalive", decode_into<to_keepalive>},
    {WireType::kBye, "bye", decode_into<to_bye>},
    {WireType::kHigherEpoch, "higher_epoch", decode_into<to_higher_epoch>},
    {WireType::kConfirmed, "confirmed", decode_into<to_confirmed>},
}};
static_assert(std::variant_size_v<MessageBody> == kBodyKinds.size());

}  // namespace

WireType wire_type(const MessageBody& body) {
  return kBodyKinds[body.index()].type;
}

std::string_view wire_type_name(WireType type) {
  const auto kind = std::ranges::find(kBodyKinds, type, &BodyKind::type);
  return kind == kBodyKinds.end() ? "unknown" : kind->name;
}

Bytes encode_body(const MessageBody& body) {
  return std::visit([](const auto& alternative) { return body_bytes(alternative); }, body);
}

Result<MessageBody> decode_body(WireType type, ByteView bytes) {
  const auto kind = std::ranges::find(kBodyKinds, type, &BodyKind::type);
  if (kind == kBodyKinds.end()) {
    return bad("unknown message type " + std::to_string(static_cast<int>(type)));
  }
  MessageBody body;
  FTVM_TRY(kind->decode(bytes, body));
  return body;
}

}  // namespace ftvm::ftcore
