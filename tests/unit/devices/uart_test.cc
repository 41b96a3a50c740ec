// The NS16550A against its data sheet, and the console behind it.
#include "devices/uart.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/device_fixture.h"

namespace ftvm::devices {
namespace {

using test::DeviceFixture;

constexpr std::uint16_t kBase = 0x3f8;
constexpr std::uint16_t kData = kBase, kIer = kBase + 1, kIir = kBase + 2, kFcr = kBase + 2,
                        kLcr = kBase + 3, kMcr = kBase + 4, kLsr = kBase + 5, kMsr = kBase + 6,
                        kScr = kBase + 7;
constexpr std::uint64_t kCharNs = 86'805;  // 115200 baud, 8N1.
constexpr std::uint64_t kMs = 1'000'000;

struct Serial : testing::Test {
  DeviceFixture m;

  Serial() {
    m.init_pics(0xffef);  // IRQ 4 alone.
    set_divisor(1);
    m.out(kLcr, 0x03);
  }
  void set_divisor(std::uint16_t divisor) {
    m.out(kLcr, 0x83);
    m.out(kData, divisor & 0xffu);
    m.out(kIer, static_cast<std::uint32_t>(divisor >> 8));
    m.out(kLcr, 0x03);
  }
  std::string read_all() {
    std::string text;
    while (m.in(kLsr)&0x01) text += static_cast<char>(m.in(kData));
    return text;
  }
  void print(std::string_view text) {
    for (const char c : text) m.out(kData, static_cast<std::uint8_t>(c));
  }
};

TEST_F(Serial, DivisorLatchHidesDataAndInterruptEnable) {
  m.out(kIer, 0x05);
  set_divisor(0x1234);
  m.out(kLcr, 0x80);
  EXPECT_EQ(m.in(kData), 0x34u);
  EXPECT_EQ(m.in(kIer), 0x12u);
  m.out(kLcr, 0x03);
  EXPECT_EQ(m.in(kIer), 0x05u);
  EXPECT_EQ(m.text(), "");
}

TEST_F(Serial, KeepsScratchAndControlRegisters) {
  m.out(kScr, 0x5a);
  m.out(kMcr, 0xff);
  m.out(kLcr, 0x7f);
  EXPECT_EQ(m.in(kScr), 0x5au);
  EXPECT_EQ(m.in(kMcr), 0x1fu);
  EXPECT_EQ(m.in(kLcr), 0x7fu);
  m.out(kIer, 0xff);
  EXPECT_EQ(m.in(kIer), 0x0fu);
}

TEST_F(Serial, IsRecognisedAs16550A) {
  EXPECT_EQ(m.in(kIir)&0xc0, 0u);
  m.out(kFcr, 0x01);
  EXPECT_EQ(m.in(kIir)&0xc0, 0xc0u);
  m.out(kFcr, 0x00);
  EXPECT_EQ(m.in(kIir), 0x01u);
}

TEST_F(Serial, OutputLeavesInOneChunkHalfAMillisecondAfterItsFirstByte) {
  const GuestTime start = m.time();
  print("hello");
  EXPECT_TRUE(m.emitted().empty());
  m.run_until(start.plus_ns(ChunkedOutput::kWindowNs - 10));
  EXPECT_TRUE(m.emitted().empty());
  m.run_until(start.plus_ns(ChunkedOutput::kWindowNs));
  ASSERT_EQ(m.emitted().size(), 1u);
  EXPECT_EQ(m.text(), "hello");
}

TEST_F(Serial, AFullChunkLeavesAsSoonAsAnAccessMayCauseIt) {
  print(std::string(ChunkedOutput::kChunkBytes, 'x'));
  const Tick full = m.tick();
  EXPECT_TRUE(m.emitted().empty());
  m.run_ticks(kAccessHoldTicks);
  ASSERT_EQ(m.emitted().size(), 1u);
  EXPECT_EQ(m.emitted()[0].at.value, full.value - 1 + kAccessHoldTicks);
}

TEST_F(Serial, AStreamOfOutputLosesNothing) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += static_cast<char>('a' + i % 26);
  print(text);
  m.run_ns(kMs);
  EXPECT_EQ(m.text(), text);
  EXPECT_LT(m.emitted().size(), 20u);
}

TEST_F(Serial, TheTransmitterIsNeverBusyForAPollingGuest) {
  print("x");
  EXPECT_EQ(m.in(kLsr), 0x60u);
}

TEST_F(Serial, ThreInterruptComesOneCharacterTimeAfterAWrite) {
  m.out(kIer, 0x02);
  m.in(kIir);
  const GuestTime written = m.time();
  print("x");
  EXPECT_EQ(m.in(kIir), 0x01u);
  m.run_until(written.plus_ns(kCharNs - 10));
  EXPECT_FALSE(m.intr());
  m.run_until(written.plus_ns(kCharNs));
  EXPECT_TRUE(m.intr());
  EXPECT_EQ(m.in(kIir), 0x02u);
}

TEST_F(Serial, EnablingTheThreInterruptRaisesItEachTime) {
  m.out(kIer, 0x02);
  EXPECT_TRUE(m.intr());
  EXPECT_EQ(m.in(kIir), 0x02u);
  EXPECT_FALSE(m.intr());
  m.out(kIer, 0x00);
  m.out(kIer, 0x02);
  EXPECT_TRUE(m.intr());
  m.out(kIer, 0x02);
  EXPECT_EQ(m.in(kIir), 0x02u);
  m.out(kIer, 0x02);  // Enabled already: nothing new.
  EXPECT_FALSE(m.intr());
}

TEST_F(Serial, ReadingIirAcknowledgesThre) {
  m.out(kIer, 0x02);
  EXPECT_EQ(m.in(kIir), 0x02u);
  EXPECT_EQ(m.in(kIir), 0x01u);
}

TEST_F(Serial, ReadingIirForAnotherReasonLeavesThrePending) {
  m.out(kIer, 0x03);
  ASSERT_TRUE(m.type("a"));
  m.run_ns(kMs);
  EXPECT_EQ(m.in(kIir), 0x04u);
  m.in(kData);
  EXPECT_EQ(m.in(kIir), 0x02u);
}

TEST_F(Serial, WritingDataAcknowledgesThre) {
  m.out(kIer, 0x02);
  print("x");
  EXPECT_EQ(m.in(kIir), 0x01u);
}

TEST_F(Serial, InputArrivesAfterACharacterTime) {
  ASSERT_TRUE(m.type("ab"));
  EXPECT_EQ(m.in(kLsr)&1, 0u);
  m.run_ns(kCharNs);
  EXPECT_EQ(m.in(kLsr)&1, 1u);
  EXPECT_EQ(m.in(kData), 'a');
}

TEST_F(Serial, InputIsNeverFasterThanTheLimit) {
  m.out(kLcr, 0x00);  // 7 bits in all: 60 us.
  m.out(kFcr, 0x01);
  ASSERT_TRUE(m.type(std::string(16, 'x')));
  m.run_ns(kMs / 2);
  EXPECT_LE(read_all().size(), kMs / 2 / Uart::kReceiveNsMin);
}

TEST_F(Serial, ASlowDivisorMakesSlowInput) {
  set_divisor(12);  // 9600 baud.
  m.out(kFcr, 0x01);
  ASSERT_TRUE(m.type("abcdef"));
  m.run_ns(3 * kMs + kMs / 2);
  EXPECT_EQ(read_all(), "abc");
}

TEST_F(Serial, WithoutFifoOneByteWaitsForTheGuest) {
  ASSERT_TRUE(m.type("abc"));
  m.run_ns(100 * kMs);
  EXPECT_EQ(m.in(kData), 'a');
  EXPECT_EQ(m.in(kLsr), 0x60u);  // No overrun; the next one is on its way.
  m.run_ns(kMs);
  EXPECT_EQ(m.in(kData), 'b');
}

TEST_F(Serial, TheFifoFillsAndThenHoldsTheLineBack) {
  m.out(kFcr, 0x01);
  ASSERT_TRUE(m.type("0123456789abcdefXYZ"));
  m.run_ns(100 * kMs);
  EXPECT_EQ(read_all(), "0123456789abcdef");
  m.run_ns(100 * kMs);
  EXPECT_EQ(read_all(), "XYZ");
}

class TriggerLevel : public Serial, public testing::WithParamInterface<std::pair<int, int>> {};

TEST_P(TriggerLevel, InterruptsWhenReachedAndStopsBelow) {
  const auto [bits, level] = GetParam();
  m.out(kFcr, static_cast<std::uint32_t>((bits << 6) | 1));
  m.out(kIer, 0x01);
  const GuestTime start = m.time();
  ASSERT_TRUE(m.type(std::string(16, 'x')));
  m.run_until(start.plus_ns(kCharNs * static_cast<unsigned>(level) - 100));
  EXPECT_FALSE(m.intr());
  m.run_ns(1000);
  EXPECT_TRUE(m.intr());
  EXPECT_EQ(m.in(kIir), 0xc4u);
  m.in(kData);
  EXPECT_FALSE(m.intr());
}

INSTANTIATE_TEST_SUITE_P(All, TriggerLevel,
                         testing::Values(std::pair{0, 1}, std::pair{1, 4}, std::pair{2, 8},
                                         std::pair{3, 14}));

TEST_F(Serial, AFewBytesBelowTheTriggerInterruptAfterFourCharacterTimes) {
  m.out(kFcr, 0xc1);
  m.out(kIer, 0x01);
  const GuestTime start = m.time();
  ASSERT_TRUE(m.type("ab"));
  m.run_until(start.plus_ns(6 * kCharNs - 100));
  EXPECT_FALSE(m.intr());
  m.run_ns(1000);
  EXPECT_TRUE(m.intr());
  EXPECT_EQ(m.in(kIir), 0xccu);
  EXPECT_EQ(m.in(kData), 'a');
  EXPECT_FALSE(m.intr());  // Reading restarts the time-out.
  m.run_ns(5 * kCharNs);
  EXPECT_TRUE(m.intr());
  EXPECT_EQ(m.in(kData), 'b');
  m.run_ns(10 * kCharNs);
  EXPECT_FALSE(m.intr());
}

TEST_F(Serial, ReceivedDataComesBeforeThre) {
  m.out(kFcr, 0x01);
  m.out(kIer, 0x07);
  ASSERT_TRUE(m.type("a"));
  m.run_ns(kCharNs);
  EXPECT_EQ(m.in(kIir), 0xc4u);
}

TEST_F(Serial, APasteLosesNothingThroughAnInterruptLoop) {
  m.out(kFcr, 0x81);
  m.out(kIer, 0x01);
  std::string text;
  for (int i = 0; i < 100 * 1024; ++i) text += static_cast<char>(i * 31 + i / 256);
  std::size_t sent = 0;
  std::string got;
  while (got.size() < text.size()) {
    const std::size_t part = std::min(m.room(), text.size() - sent);
    if (part > 0) {
      ASSERT_TRUE(m.type(sent, std::string_view(text).substr(sent, part)));
      sent += part;
    }
    m.run_ns(kMs / 3);
    if (!m.take_interrupt()) continue;
    got += read_all();
    m.out(0x20, 0x20);
  }
  EXPECT_EQ(got, text);
  EXPECT_EQ(m.console().next_input_offset(), text.size());
}

TEST_F(Serial, RoomIsWhatTheBacklogStillTakes) {
  EXPECT_EQ(m.room(), Uart::kBacklogBytesMax);
  ASSERT_TRUE(m.type(std::string(1000, 'x')));
  EXPECT_EQ(m.room(), Uart::kBacklogBytesMax - 1000);
  EXPECT_FALSE(m.type(std::string(Uart::kBacklogBytesMax - 999, 'x')));
  EXPECT_TRUE(m.type(std::string(Uart::kBacklogBytesMax - 1000, 'x')));
  EXPECT_EQ(m.room(), 0u);
}

TEST_F(Serial, InputAtAWrongOffsetIsRefusedAndChangesNothing) {
  ASSERT_TRUE(m.type(0, "abc"));
  const Bytes before = m.save();
  for (const std::uint64_t offset : {0u, 2u, 4u}) {
    const Status status = m.type(offset, "x");
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), ErrorCode::kBadData);
  }
  EXPECT_EQ(m.save(), before);
  EXPECT_TRUE(m.type(3, "d"));
}

TEST_F(Serial, InputOfAnotherKindIsRefused) {
  const Input input{m.tick(), Endpoint::kConsole, NetFrame{}};
  EXPECT_EQ(m.console().deliver(input, m.now()).error().code(), ErrorCode::kBadData);
}

TEST_F(Serial, ClearingTheReceiverEmptiesItAndTheLineSendsAgain) {
  m.out(kFcr, 0x01);
  ASSERT_TRUE(m.type("early"));
  m.run_ns(10 * kMs);
  m.out(kFcr, 0x03);
  EXPECT_EQ(m.in(kLsr), 0x60u);
  m.run_ns(Uart::kResendNs - kMs);
  EXPECT_EQ(m.in(kLsr), 0x60u);
  m.run_ns(10 * kMs);
  EXPECT_EQ(read_all(), "early");
}

TEST_F(Serial, SwitchingTheFifoEmptiesTheReceiver) {
  ASSERT_TRUE(m.type("ab"));
  m.run_ns(10 * kMs);
  m.out(kFcr, 0x01);
  EXPECT_EQ(m.in(kLsr), 0x60u);
  m.run_ns(30 * kMs);
  EXPECT_EQ(read_all(), "ab");
}

TEST_F(Serial, ModemLinesShowAConnectedTerminal) {
  EXPECT_EQ(m.in(kMsr), 0xb0u);
  EXPECT_EQ(m.in(0x2fe), 0x00u);  // Nothing is plugged into the second port.
}

TEST_F(Serial, LoopbackFeedsTheModemLines) {
  m.out(kMcr, 0x1a);
  EXPECT_EQ(m.in(kMsr)&0xf0, 0x90u);
  m.out(kMcr, 0x15);
  EXPECT_EQ(m.in(kMsr)&0xf0, 0x60u);
}

TEST_F(Serial, ModemStatusReportsChangesOnceAndInterrupts) {
  m.out(kMcr, 0x10);
  m.in(kMsr);
  m.out(kIer, 0x08);
  EXPECT_FALSE(m.intr());
  m.out(kMcr, 0x12);  // CTS rises.
  EXPECT_TRUE(m.intr());
  EXPECT_EQ(m.in(kIir), 0x00u);
  EXPECT_EQ(m.in(kMsr), 0x11u);
  EXPECT_FALSE(m.intr());
  EXPECT_EQ(m.in(kMsr), 0x10u);
}

TEST_F(Serial, RingReportsItsTrailingEdgeOnly) {
  m.out(kMcr, 0x10);
  m.in(kMsr);
  m.out(kMcr, 0x14);
  EXPECT_EQ(m.in(kMsr), 0x40u);
  m.out(kMcr, 0x10);
  EXPECT_EQ(m.in(kMsr), 0x04u);
}

TEST_F(Serial, LoopbackReturnsDataAndLetsNoneOut) {
  m.out(kMcr, 0x1e);
  m.out(kData, 0xae);
  EXPECT_EQ(m.in(kLsr)&1, 1u);
  EXPECT_EQ(m.in(kData), 0xaeu);
  m.run_ns(kMs);
  EXPECT_EQ(m.text(), "");
}

TEST_F(Serial, LoopbackHoldsConsoleInputBack) {
  m.out(kFcr, 0x01);
  ASSERT_TRUE(m.type("abc"));
  m.run_ns(kMs);
  m.out(kMcr, 0x10);
  ASSERT_TRUE(m.type("def"));
  m.run_ns(100 * kMs);
  m.out(kData, 'L');
  EXPECT_EQ(read_all(), "L");
  m.out(kMcr, 0x00);
  m.run_ns(100 * kMs);
  EXPECT_EQ(read_all(), "abcdef");
}

TEST_F(Serial, OverrunInLoopbackIsALineStatusInterrupt) {
  m.out(kFcr, 0x01);
  m.out(kMcr, 0x10);
  m.out(kIer, 0x05);
  for (int i = 0; i < 17; ++i) m.out(kData, static_cast<std::uint8_t>('a' + i));
  EXPECT_EQ(m.in(kIir), 0xc6u);
  EXPECT_EQ(m.in(kLsr), 0x63u);
  EXPECT_EQ(m.in(kLsr), 0x61u);
  EXPECT_EQ(m.in(kIir), 0xc4u);
  EXPECT_EQ(read_all(), "abcdefghijklmnop");
}

TEST_F(Serial, WithoutFifoAnOverrunReplacesTheByte) {
  m.out(kMcr, 0x10);
  m.out(kData, 'a');
  m.out(kData, 'b');
  EXPECT_EQ(m.in(kLsr), 0x63u);
  EXPECT_EQ(m.in(kData), 'b');
}

TEST_F(Serial, AResetKeepsTheLineAndLosesNothing) {
  m.out(kFcr, 0x01);
  m.out(kIer, 0x0f);
  ASSERT_TRUE(m.type("typed"));
  print("printed");
  m.run_ns(4 * kCharNs);
  EXPECT_EQ(m.in(kData), 't');
  m.reset();
  m.init_pics(0xffef);
  EXPECT_FALSE(m.intr());
  EXPECT_EQ(m.in(kIer), 0u);
  EXPECT_EQ(m.in(kIir), 1u);
  EXPECT_EQ(m.in(kLsr), 0x60u);
  EXPECT_EQ(m.console().next_input_offset(), 5u);
  m.out(kLcr, 0x03);
  m.out(kFcr, 0x01);
  m.run_ns(100 * kMs);
  EXPECT_EQ(read_all(), "yped");
  EXPECT_EQ(m.text(), "printed");
  EXPECT_TRUE(m.type(5, "x"));
}

TEST_F(Serial, TheSecondPortWorksWithoutAnEndpoint) {
  m.out(0x2fb, 0x03);
  m.out(0x2f8, 'x');
  m.out(0x2fc, 0x10);
  m.out(0x2f8, 'y');
  EXPECT_EQ(m.in(0x2f8), 'y');
  m.run_ns(kMs);
  EXPECT_EQ(m.text(), "");
}

TEST_F(Serial, TheSecondPortInterruptsOnItsOwnLine) {
  m.init_pics(0xfff7);
  m.out(0x2f9, 0x02);
  EXPECT_EQ(m.take_interrupt(), 0x33);
}

}  // namespace
}  // namespace ftvm::devices
