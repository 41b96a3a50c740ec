// Every port that resets or ends the machine, and the small ports beside them.
#include <gtest/gtest.h>

#include "devices/power_control.h"
#include "tests/support/device_fixture.h"

namespace ftvm::devices {
namespace {

using test::DeviceFixture;

TEST(DebugExit, EndsTheRunWithAnOddCode) {
  DeviceFixture m;
  const Tick written = m.tick();
  m.out(0x501, 0x10);
  ASSERT_EQ(m.power_requests().size(), 1u);
  EXPECT_FALSE(m.power_requests()[0].reset);
  EXPECT_EQ(m.power_requests()[0].reason, EndReason::kDebugExit);
  EXPECT_EQ(m.power_requests()[0].exit_code, 0x21u);
  EXPECT_EQ(m.power_requests()[0].effective, written.plus(kAccessHoldTicks + 1));
}

TEST(DebugExit, TheGuestsLastWordsLeaveBeforeTheEnd) {
  DeviceFixture m;
  for (const char c : std::string_view("PASS")) m.out(0x3f8, static_cast<std::uint8_t>(c));
  m.out(0xe9, '!');
  EXPECT_TRUE(m.emitted().empty());
  m.out(0x501, 0x00);
  m.run_ticks(kAccessHoldTicks);
  EXPECT_EQ(m.text(Endpoint::kConsole), "PASS");
  EXPECT_EQ(m.text(Endpoint::kDebug), "!");
  for (const auto& chunk : m.emitted()) {
    EXPECT_LT(chunk.at, m.power_requests().at(0).effective);
  }
}

TEST(PowerPort, TurnsTheMachineOff) {
  DeviceFixture m;
  m.out(0x604, 0x2000, 2);
  ASSERT_EQ(m.power_requests().size(), 1u);
  EXPECT_EQ(m.power_requests()[0].reason, EndReason::kPowerOff);
  EXPECT_EQ(m.power_requests()[0].exit_code, 0u);
}

TEST(PowerPort, IgnoresEverythingElse) {
  DeviceFixture m;
  m.out(0x604, 0x20);
  m.out(0x605, 0x20);
  m.out(0x604, 0x2400, 2);
  EXPECT_TRUE(m.power_requests().empty());
}

TEST(PowerControl, TheMachineKnowsAtOnceThatAnEndIsNear) {
  // Else it would take a guest that disables interrupts and halts for one that hangs.
  DeviceFixture m;
  m.out(0x604, 0x2000, 2);
  EXPECT_EQ(m.power_requests().size(), 1u);
}

TEST(SystemControl, Port92ResetsOnARisingBit) {
  DeviceFixture m;
  m.out(0x92, 0x03);
  EXPECT_EQ(m.power_requests().size(), 1u);
  m.out(0x92, 0x03);
  EXPECT_EQ(m.power_requests().size(), 1u);
  EXPECT_EQ(m.in(0x92), 0x03u);
}

TEST(ResetControl, ResetsOnARisingBit2) {
  DeviceFixture m;
  m.out(0xcf9, 0x02);
  EXPECT_TRUE(m.power_requests().empty());
  EXPECT_EQ(m.in(0xcf9), 0x02u);
  m.out(0xcf9, 0x06);
  ASSERT_EQ(m.power_requests().size(), 1u);
  EXPECT_TRUE(m.power_requests()[0].reset);
}

TEST(ResetControl, APciConfigurationAddressIsNotAReset) {
  DeviceFixture m;
  m.out(0xcf8, 0x80000600, 4);
  EXPECT_TRUE(m.power_requests().empty());
  EXPECT_EQ(m.in(0xcf8, 4), 0xffffffffu);
}

TEST(DebugConsole, AnswersWithItsNumberAndPrintsToTheDebugEndpoint) {
  DeviceFixture m;
  EXPECT_EQ(m.in(0xe9), 0xe9u);
  m.out(0xe9, 'a');
  m.out(0x402, 'b');
  EXPECT_TRUE(m.emitted().empty());
  m.run_ns(ChunkedOutput::kWindowNs);
  ASSERT_EQ(m.emitted().size(), 1u);
  EXPECT_EQ(m.text(Endpoint::kDebug), "ab");
}

TEST(PostPort, KeepsTheLastCode) {
  DeviceFixture m;
  m.out(0x80, 0x42);
  EXPECT_EQ(m.in(0x80), 0x42u);
}

}  // namespace
}  // namespace ftvm::devices
