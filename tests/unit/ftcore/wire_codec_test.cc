// Peer messages and heartbeats as bytes: what goes in comes out, and nothing else is let in.
#include "ftcore/transport/wire_codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "ftcore/transport/heartbeat_codec.h"
#include "ftcore/transport/secret.h"
#include "ftcore/transport/wire_text.h"
#include "proto/wire.pb.h"
#include "replay/codec_util.h"
#include "replay/header_codec.h"
#include "tests/unit/ftcore/wire_test_messages.h"

namespace ftvm::ftcore {
namespace {

namespace wire = ftvm::proto::wire;

void expect_refused(ByteView bytes, const std::string& why) {
  const Result<Message> message = decode_message(bytes);
  ASSERT_FALSE(message.has_value()) << "expected: " << why;
  EXPECT_EQ(message.error().code(), ErrorCode::kBadData);
  EXPECT_NE(message.error().message().find(why), std::string::npos) << message.error().message();
}

/// A message with a good frame and envelope around any body.
Bytes with_body(WireType type, ByteView body, std::uint32_t version = kWireVersion,
                const Uuid& pair = test_uuid(1), std::uint8_t flags = 0) {
  Bytes payload;
  ByteWriter writer(payload);
  writer.put(version);
  writer.put_bytes(pair.bytes);
  writer.put_bytes(pair.bytes);
  writer.put(std::uint64_t{7});
  writer.put_bytes(body);
  Bytes out;
  replay::append_frame(out, static_cast<replay::FrameType>(type), payload, flags);
  return out;
}

template <class Body>
Bytes with_proto(WireType type, const Body& body, const Uuid& pair = test_uuid(1)) {
  return with_body(type, replay::serialize_message(body), kWireVersion, pair);
}

TEST(WireCodec, EveryMessageComesBackAsItWas) {
  for (const Message& message : test_messages()) {
    const Bytes bytes = encode_message(message);
    const Result<Message> back = decode_message(bytes);
    ASSERT_TRUE(back.has_value()) << back.error().message();
    EXPECT_EQ(*back, message) << wire_type_name(wire_type(message.body));
  }
}

TEST(WireCodec, EveryFlippedBitIsRefused) {
  for (const Message& message : test_messages()) {
    Bytes bytes = encode_message(message);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      for (int bit = 0; bit < 8; ++bit) {
        const auto mask = static_cast<std::uint8_t>(1 << bit);
        bytes[at] ^= mask;
        const Result<Message> back = decode_message(bytes);
        EXPECT_FALSE(back.has_value()) << wire_type_name(wire_type(message.body)) << " byte " << at;
        bytes[at] ^= mask;
      }
    }
  }
}

/// Damage that a CRC would have caught, with a CRC that fits: refused, or a message that was
/// possible anyway; never more than that.
TEST(WireCodec, EveryFlippedByteUnderAGoodCrcIsRefusedOrAMessageThatCouldHaveBeenSent) {
  for (const Message& message : test_messages()) {
    const Bytes bytes = encode_message(message);
    const std::size_t payload_bytes = bytes.size() - replay::kFrameOverheadBytes;
    for (std::size_t at = 0; at < payload_bytes; ++at) {
      for (const int mask : {0x01, 0x08, 0x80, 0xff}) {
        Bytes payload(bytes.begin() + replay::kFrameHeaderBytes,
                      bytes.end() - replay::kFrameTrailerBytes);
        payload[at] = static_cast<std::uint8_t>(payload[at] ^ mask);
        Bytes framed;
        replay::append_frame(framed, static_cast<replay::FrameType>(wire_type(message.body)),
                             payload);
        const Result<Message> back = decode_message(framed);
        if (!back) continue;
        EXPECT_TRUE(check_message(*back).has_value());
        EXPECT_EQ(*decode_message(encode_message(*back)), *back);
      }
    }
  }
}

TEST(WireCodec, EveryPrefixIsRefused) {
  for (const Message& message : test_messages()) {
    const Bytes bytes = encode_message(message);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      expect_refused(ByteView(bytes).first(size), "cut off");
    }
  }
}

TEST(WireCodec, DataBehindTheMessageIsRefused) {
  const Bytes first = encode_message(test_messages().back());
  Bytes two = first;
  two.push_back(0);
  expect_refused(two, "data behind its end");
  two.pop_back();
  two.insert(two.end(), first.begin(), first.end());
  expect_refused(two, "data behind its end");
}

TEST(WireCodec, DataBehindTheBodyIsRefused) {
  for (const Message& message : test_messages()) {
    Bytes body = encode_body(message.body);
    const Uuid pair = message.pair;
    const WireType type = wire_type(message.body);
    ASSERT_TRUE(decode_message(with_body(type, body, kWireVersion, pair)).has_value());
    Bytes with_unknown_field = body;  // Field 100, a varint.
    for (const int byte : {0xa0, 0x06, 0x01}) {
      with_unknown_field.push_back(static_cast<std::uint8_t>(byte));
    }
    const Result<Message> back =
        decode_message(with_body(type, with_unknown_field, kWireVersion, pair));
    ASSERT_FALSE(back.has_value()) << wire_type_name(type);
    EXPECT_EQ(back.error().code(), ErrorCode::kBadData);
  }
}

TEST(WireCodec, ABodyInAnotherFormThanOursIsRefused) {
  // keepalive: paused=false spelled out; paused=true as a long varint; paused twice.
  for (const Bytes& body : {Bytes{0x08, 0x00}, Bytes{0x08, 0x81, 0x00}, Bytes{8, 1, 8, 1}}) {
    expect_refused(with_body(WireType::kKeepalive, body), "only form");
  }
  expect_refused(with_body(WireType::kKeepalive, Bytes{0x08}), "not valid protobuf");
}

TEST(WireCodec, AnotherWireVersionIsRefusedByName) {
  const Result<Message> back = decode_message(with_body(WireType::kBye, {}, 1));
  ASSERT_FALSE(back.has_value());
  EXPECT_EQ(back.error().code(), ErrorCode::kMismatch);
  EXPECT_NE(back.error().message().find("wire version 1; this program speaks version 5"),
            std::string::npos)
      << back.error().message();
}

TEST(WireCodec, AnotherVersionIsAnsweredInItsOwn) {
  const Bytes old = with_body(WireType::kBye, {}, 1);
  ASSERT_EQ(foreign_version(old), 1u);
  EXPECT_EQ(foreign_version(encode_message(test_messages().back())), std::nullopt);
  for (std::size_t size = 0; size < old.size(); ++size) {
    EXPECT_EQ(foreign_version(ByteView(old).first(size)), std::nullopt);
  }
  const Bytes said = encode_refusal(1, "too old");
  EXPECT_EQ(foreign_version(said), 1u);
  const Bytes same = encode_refusal(kWireVersion, "too old");
  EXPECT_EQ(*decode_message(same), (Message{{}, {}, {}, Refuse{"too old"}}));
  EXPECT_EQ(said.size(), same.size());
}

TEST(WireCodec, UnknownTypesAndFlagsAreRefused) {
  for (int type = 0; type < 256; ++type) {
    if (type >= 64 && type <= 74) continue;
    expect_refused(with_body(static_cast<WireType>(type), {}), "unknown message type");
  }
  expect_refused(with_body(WireType::kBye, {}, kWireVersion, test_uuid(1), replay::kFrameZstd),
                 "unknown flags");
}

TEST(WireCodec, AHelloThatNamesASessionIsRefused) {
  const Bytes body = encode_body(test_messages().front().body);
  expect_refused(with_body(WireType::kHello, body), "a hello names a pair or a session");
}

TEST(WireCodec, AMessageOfASessionMustNameIt) {
  for (const MessageBody& body :
       {MessageBody{Joined{}}, MessageBody{Progress{}}, MessageBody{Ack{}},
        MessageBody{Keepalive{}}, MessageBody{Records{test_records()}}, MessageBody{Confirmed{}}}) {
    expect_refused(with_body(wire_type(body), encode_body(body), kWireVersion, Uuid{}),
                   "pair is zero");
  }
}

TEST(WireCodec, EveryFieldOfAHelloIsChecked) {
  const auto good = [] {
    wire::Hello hello;
    const Bytes identity = replay::encode_identity(test_identity());
    hello.set_protocol_version(1);
    hello.set_incarnation(std::string(16, 'i'));
    hello.set_identity(identity.data(), identity.size());
    return hello;
  };
  const auto refused = [](const wire::Hello& hello, const char* why) {
    expect_refused(with_proto(WireType::kHello, hello, Uuid{}), why);
  };
  ASSERT_TRUE(decode_message(with_proto(WireType::kHello, good(), Uuid{})).has_value());
  wire::Hello hello = good();
  hello.set_protocol_version(0);
  refused(hello, "protocol_version");
  hello = good();
  hello.set_incarnation(std::string(15, 'i'));
  refused(hello, "length of incarnation");
  hello.set_incarnation(std::string(16, '\0'));
  refused(hello, "incarnation is zero");
  hello = good();
  hello.set_identity("\xff");
  refused(hello, "identity");
  hello.set_identity("");
  refused(hello, "clock");
  hello = good();
  hello.set_arbiter(std::string(kWireArbiterBytesMax + 1, 'a'));
  refused(hello, "length of arbiter");
  hello = good();
  hello.set_takes_time(true);
  refused(hello, "takes the primary's time of day names one");
}

TEST(WireCodec, EveryFieldOfAWelcomeIsChecked) {
  const auto good = [] {
    wire::Welcome welcome;
    welcome.set_pair(std::string(16, 'p'));
    welcome.set_session(std::string(16, 's'));
    welcome.set_incarnation(std::string(16, 'i'));
    welcome.set_heartbeat_key(std::string(32, 'k'));
    welcome.set_detection_ms(200);
    welcome.set_heartbeat_ms(20);
    return welcome;
  };
  const auto refused = [](const wire::Welcome& welcome, const char* why) {
    expect_refused(with_proto(WireType::kWelcome, welcome), why);
  };
  ASSERT_TRUE(decode_message(with_proto(WireType::kWelcome, good())).has_value());
  wire::Welcome welcome = good();
  welcome.set_pair(std::string(16, '\0'));
  refused(welcome, "pair is zero");
  welcome = good();
  welcome.set_session("short");
  refused(welcome, "length of session");
  welcome = good();
  welcome.clear_incarnation();
  refused(welcome, "length of incarnation");
  welcome = good();
  welcome.set_heartbeat_key(std::string(33, 'k'));
  refused(welcome, "length of heartbeat_key");
  welcome = good();
  welcome.set_detection_ms(kDetectionMsMax + 1);
  refused(welcome, "detection_ms");
  welcome.set_detection_ms(0);
  refused(welcome, "detection_ms");
  welcome = good();
  welcome.set_heartbeat_ms(0);
  refused(welcome, "heartbeat_ms");
  welcome.set_heartbeat_ms(201);
  refused(welcome, "heartbeat_ms");
  welcome = good();
  welcome.set_heartbeat_port(65536);
  refused(welcome, "heartbeat_port");
}

TEST(WireCodec, RecordsAreHeldToTheRulesOfTheJournal) {
  std::vector<replay::Record> records = test_records();
  Bytes body = replay::encode_records(records);
  ASSERT_TRUE(decode_message(with_body(WireType::kRecords, body)).has_value());
  expect_refused(with_body(WireType::kRecords, {}), "record count");
  body.pop_back();
  expect_refused(with_body(WireType::kRecords, body), "records");
}

TEST(WireCodec, AMessageWithoutRecordsHasASmallLimit) {
  const Bytes body(kWireSmallMessageBytesMax, 0);
  expect_refused(with_body(WireType::kHello, body), "length");
}

TEST(WireCodec, TheLargestMessagesFitTheirLimits) {
  Hello hello = std::get<Hello>(test_messages().front().body);
  for (std::string* text : {&hello.identity.ftvm_version, &hello.identity.engine_version,
                            &hello.identity.board, &hello.identity.command_line}) {
    text->assign(replay::kIdentityTextMax, 'x');
  }
  hello.arbiter.assign(kWireArbiterBytesMax, 'a');
  const Message large{Uuid{}, Uuid{}, Epoch{}, hello};
  EXPECT_EQ(*decode_message(encode_message(large)), large);

  Records records;
  std::size_t bytes_max = 0;
  for (std::uint64_t n = 1;; ++n) {
    replay::Record record{{n}, {n}, Endpoint::kNet0, NetFrame{Bytes(60'000, 0x55)}};
    bytes_max += replay::encoded_bytes_max(record);
    if (bytes_max > kWireRecordsBytesMax) break;
    records.records.push_back(std::move(record));
  }
  const Message full{test_uuid(1), test_uuid(2), Epoch{7}, records};
  const Bytes bytes = encode_message(full);
  EXPECT_GT(bytes.size(), kWireMessageBytesMax - 100'000);
  EXPECT_LE(bytes.size(), kWireMessageBytesMax);
  EXPECT_EQ(*decode_message(bytes), full);
}

TEST(WireCodec, ReasonsAreMadePrintableAndShortWhenSent) {
  const std::string evil = "\x1b[2Jgone\n\xff" + std::string(2 * kWireReasonBytesMax, 'x');
  for (const MessageBody& body : {MessageBody{Refuse{evil}}, MessageBody{Bye{evil}}}) {
    const Message message{test_uuid(1), test_uuid(2), Epoch{7}, body};
    const Result<Message> back = decode_message(encode_message(message));
    ASSERT_TRUE(back.has_value());
    const std::string reason = std::holds_alternative<Bye>(back->body)
                                   ? std::get<Bye>(back->body).reason
                                   : std::get<Refuse>(back->body).reason;
    EXPECT_TRUE(reason.starts_with(" [2Jgone ?xxx")) << reason.substr(0, 20);
    EXPECT_EQ(reason.size(), kWireReasonBytesMax);
  }
}

TEST(WireCodec, ReasonsThatAPeerDidNotMakePrintableAreRefused) {
  for (const std::string reason : {"\x1b[2J", "a\nb", "\xff", "\xc2\x9b", "\xed\xa0\x80"}) {
    wire::Refuse refuse;
    refuse.set_reason(reason);
    expect_refused(with_proto(WireType::kRefuse, refuse), "not printable UTF-8");
    wire::Bye bye;
    bye.set_reason(reason);
    expect_refused(with_proto(WireType::kBye, bye), "not printable UTF-8");
  }
  wire::Refuse refuse;
  refuse.set_reason(std::string(kWireReasonBytesMax + 1, 'x'));
  expect_refused(with_proto(WireType::kRefuse, refuse), "length of reason");
}

TEST(WireText, KnowsUtf8) {
  for (const std::string text : {"", "abc", "ü", "€", "😀", "\xf4\x8f\xbf\xbf", "\xc2\xa0"}) {
    EXPECT_TRUE(is_clean_text(text)) << text;
    EXPECT_EQ(clean_text(text, 100), text);
  }
  for (const std::string text :
       {"\x7f", "\t", "\x80", "\xc0\xaf", "\xe0\x80\xaf", "\xf4\x90\x80\x80",
        "\xf8\x88\x80\x80\x80", "\xe2\x82", "\xc2\x41", "\xed\xbf\xbf"}) {
    EXPECT_FALSE(is_clean_text(text));
    EXPECT_TRUE(is_clean_text(clean_text(text, 100)));
  }
  EXPECT_FALSE(is_clean_text(std::string_view("\0", 1)));
  EXPECT_EQ(clean_text("a€b", 3), "a") << "no half characters";
}

// ------------------------------------------------------------- the examples of
// docs/formats/wire.md

/// 16 bytes (or more) that count up from `first`.
template <class Array>
Array counting(std::uint8_t first) {
  Array array{};
  for (std::size_t i = 0; i < array.size(); ++i) array[i] = static_cast<std::uint8_t>(first + i);
  return array;
}

std::string hex(ByteView bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

TEST(WireFormat, MessagesAreThoseOfTheDocument) {
  Message message;
  message.pair = {counting<decltype(Uuid::bytes)>(0x10)};
  message.session = {counting<decltype(Uuid::bytes)>(0x20)};
  message.epoch = {7};
  message.body = Ack{{300}, {100'000}, 65'536, 2'500, 4'000};
  EXPECT_EQ(hex(encode_message(message)),
            "4654564d46003d00000075e1"
            "05000000"
            "101112131415161718191a1b1c1d1e1f"
            "202122232425262728292a2b2c2d2e2f"
            "0700000000000000"
            "08ac0210a08d061880800420c41328a01f"
            "fd3d33af");
}

TEST(WireFormat, HeartbeatsAreThoseOfTheDocument) {
  const Heartbeat heartbeat{{counting<decltype(Uuid::bytes)>(0x20)}, {7}, 3, Tick{100'000}, true};
  EXPECT_EQ(hex(encode_heartbeat(heartbeat, HeartbeatSide::kPrimary, counting<HeartbeatKey>(0))),
            "4654564801030000202122232425262728292a2b2c2d2e2f0700000000000000"
            "0300000000000000a086010000000000216664bd14eb36f8c0f3e6ff30c4632d"
            "eb290f88e3d0da443ab6272e34a6ab47");
}

TEST(WireFormat, KeysAreThoseOfTheDocument) {
  SecretKey key;
  key.bytes = counting<decltype(SecretKey::bytes)>(0);
  EXPECT_EQ(hex(derive_curve_keys(key, CurveSide::kServer).public_key),
            "5df6f0de3474c701c59322928f2f2e44274335f87158066f11445a4f66c0e05b");
  EXPECT_EQ(hex(derive_curve_keys(key, CurveSide::kClient).public_key),
            "92427381099bbaad54a31fb2b91b10e804bcb712155e82fe56ce710b0b4c542c");
}

// ------------------------------------------------------------------------------- heartbeats

HeartbeatKey test_key(std::uint8_t fill) {
  HeartbeatKey key;
  key.fill(fill);
  return key;
}

TEST(HeartbeatCodec, ComesBackAsItWas) {
  for (const bool paused : {false, true}) {
    for (const HeartbeatSide side : {HeartbeatSide::kPrimary, HeartbeatSide::kBackup}) {
      const Heartbeat heartbeat{test_uuid(2), Epoch{7}, ~std::uint64_t{0}, Tick{42}, paused};
      const auto datagram = encode_heartbeat(heartbeat, side, test_key(1));
      const Result<Heartbeat> back = decode_heartbeat(datagram, side, test_key(1));
      ASSERT_TRUE(back.has_value()) << back.error().message();
      EXPECT_EQ(*back, heartbeat);
    }
  }
}

TEST(HeartbeatCodec, EveryFlippedBitLengthKeyAndSenderIsRefused) {
  const Heartbeat heartbeat{test_uuid(2), Epoch{7}, 3, Tick{42}, false};
  auto datagram = encode_heartbeat(heartbeat, HeartbeatSide::kPrimary, test_key(1));
  const auto accepted = [](ByteView bytes, HeartbeatSide side, const HeartbeatKey& key) {
    return decode_heartbeat(bytes, side, key).has_value();
  };
  ASSERT_TRUE(accepted(datagram, HeartbeatSide::kPrimary, test_key(1)));
  EXPECT_FALSE(accepted(datagram, HeartbeatSide::kPrimary, test_key(2)));
  EXPECT_FALSE(accepted(datagram, HeartbeatSide::kBackup, test_key(1)))
      << "thrown back at its sender";
  Bytes longer(datagram.begin(), datagram.end());
  longer.push_back(0);
  EXPECT_FALSE(accepted(longer, HeartbeatSide::kPrimary, test_key(1)));
  for (std::size_t size = 0; size < datagram.size(); ++size) {
    EXPECT_FALSE(accepted(ByteView(datagram).first(size), HeartbeatSide::kPrimary, test_key(1)));
  }
  for (std::size_t at = 0; at < datagram.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      datagram[at] = static_cast<std::uint8_t>(datagram[at] ^ (1 << bit));
      EXPECT_FALSE(accepted(datagram, HeartbeatSide::kPrimary, test_key(1))) << at;
      datagram[at] = static_cast<std::uint8_t>(datagram[at] ^ (1 << bit));
    }
  }
}

}  // namespace
}  // namespace ftvm::ftcore
