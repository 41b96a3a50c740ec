// Frames of the numbered console.
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "devices/host/numbered_protocol.h"
#include "emulator/base/crc32c.h"
#include "tests/unit/devices/host_test_support.h"

namespace ftvm::devices::host {
namespace {

std::vector<ConsoleMessage> samples() {
  return {ConsoleHello{.client_id = 7, .wanted = 12, .pair = "p"},
          ConsoleHello{.client_id = 7, .wanted = std::nullopt, .pair = ""},
          ConsoleKeyboard{},
          ConsoleTyped{.offset = 3, .bytes = bytes_of("abc")},
          ConsoleShown{.next = 99},
          ConsoleNode{NodeRole::kLive, Epoch{4}, 5, 6, "pair"},
          ConsoleOutput{Epoch{4}, 77, Bytes(kPieceBytesMax, 'x')},
          ConsoleGap{Epoch{4}, 1, 2},
          ConsoleAck{1, 2},
          ConsoleRefusal{ConsoleRefusal::Why::kFull, 9},
          ConsoleEnd{Epoch{4}, EndReason::kPowerOff, 1000},
          ConsoleBye{ConsoleBye::Why::kSlow, "too slow"}};
}

TEST(NumberedProtocol, EveryMessageSurvivesTheWireByteByByte) {
  ByteFifo wire;
  for (const ConsoleMessage& message : samples()) encode(message, wire);
  EXPECT_EQ(decode_all(wire.view()), samples());
  ConsoleFrameReader reader;
  std::vector<ConsoleMessage> got;
  for (const std::uint8_t byte : wire.view()) {
    reader.push({&byte, 1});
    auto next = reader.next();
    ASSERT_TRUE(next);
    if (next->has_value()) got.push_back(**std::move(next));
  }
  EXPECT_EQ(got, samples());
}

TEST(NumberedProtocol, AnyFlippedBitIsNoticed) {
  for (const ConsoleMessage& message : samples()) {
    ByteFifo wire;
    encode(message, wire);
    const Bytes good(wire.view().begin(), wire.view().end());
    for (std::size_t at = 0; at < std::min<std::size_t>(good.size(), 60); ++at) {
      Bytes bad = good;
      bad[at] ^= 0x10;
      ConsoleFrameReader reader;
      reader.push(bad);
      const auto next = reader.next();
      EXPECT_FALSE(next && next->has_value()) << "byte " << at;
    }
  }
}

TEST(NumberedProtocol, RefusesAnotherVersionByName) {
  ByteFifo wire;
  encode(ConsoleHello{}, wire);
  Bytes frame(wire.view().begin(), wire.view().end());
  Bytes body(frame.begin() + kFrameHeaderBytes, frame.end());
  body[5] = 2;
  ByteFifo other;
  std::uint8_t header[kFrameHeaderBytes];
  store_le(header, static_cast<std::uint32_t>(body.size()));
  store_le(header + 4, crc32c(body));
  other.push(header);
  other.push(body);
  ConsoleFrameReader reader;
  reader.push(other.view());
  const auto next = reader.next();
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().code(), ErrorCode::kMismatch);
  EXPECT_FALSE(reader.next()) << "an error stays";
}

TEST(NumberedProtocol, MakesTextHarmless) {
  ByteFifo wire;
  encode(ConsoleBye{ConsoleBye::Why::kPair, "\x1b[2Jgone\n"}, wire);
  EXPECT_EQ(std::get<ConsoleBye>(decode_all(wire.view()).at(0)).text, "?[2Jgone?");
}

}  // namespace
}  // namespace ftvm::devices::host
