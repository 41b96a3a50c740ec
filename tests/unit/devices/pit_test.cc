// The 8254 against closed-form values of its data sheet, and its IRQ 0.
#include "devices/pit.h"

#include <gtest/gtest.h>

#include "devices/pit_channel.h"
#include "tests/support/device_fixture.h"

namespace ftvm::devices {
namespace {

using test::DeviceFixture;

constexpr std::uint8_t kMode0 = 0x30, kMode1 = 0x32, kMode2 = 0x34, kMode3 = 0x36, kMode4 = 0x38,
                       kMode5 = 0x3a, kBcd = 0x01;

/// A channel with a two-byte count written at pulse 0; it is loaded at pulse 1.
PitChannel channel(std::uint8_t control, std::uint16_t count) {
  PitChannel c;
  c.write_control(control, 0);
  c.write_count(static_cast<std::uint8_t>(count), 0);
  c.write_count(static_cast<std::uint8_t>(count >> 8), 0);
  return c;
}

unsigned count_at(PitChannel c, PitPulses at) {
  c.latch_count(at);
  const unsigned low = c.read_count(at);
  return low | (unsigned{c.read_count(at)} << 8);
}

std::uint8_t status_at(PitChannel c, PitPulses at) {
  c.latch_status(at);
  return c.read_count(at);
}

void set_count(PitChannel& c, std::uint16_t count, PitPulses at) {
  c.write_count(static_cast<std::uint8_t>(count), at);
  c.write_count(static_cast<std::uint8_t>(count >> 8), at);
}

TEST(PitChannel, Mode0RisesOnePulseAfterItsCount) {
  const PitChannel c = channel(kMode0, 5);
  for (PitPulses at = 0; at <= 5; ++at) EXPECT_FALSE(c.out(at)) << at;
  for (PitPulses at = 6; at < 100; ++at) EXPECT_TRUE(c.out(at)) << at;
  EXPECT_EQ(c.next_rise(0), 6);
  EXPECT_EQ(c.next_rise(6), std::nullopt);
}

TEST(PitChannel, Mode0CountsOnBelowZero) {
  const PitChannel c = channel(kMode0, 5);
  EXPECT_EQ(count_at(c, 1), 5u);
  EXPECT_EQ(count_at(c, 5), 1u);
  EXPECT_EQ(count_at(c, 6), 0u);
  EXPECT_EQ(count_at(c, 7), 0xffffu);
  EXPECT_EQ(count_at(c, 1 + 5 + 65536), 0u);
}

TEST(PitChannel, Mode0StopsAndGoesLowAtTheFirstByteOfANewCount) {
  PitChannel c = channel(kMode0, 5);
  EXPECT_TRUE(c.out(50));
  c.write_count(9, 50);
  EXPECT_FALSE(c.out(51));
  EXPECT_EQ(c.next_rise(51), std::nullopt);
  c.write_count(0, 60);
  EXPECT_EQ(c.next_rise(60), 60 + 1 + 9);
}

TEST(PitChannel, Mode0WaitsWhileItsGateIsLow) {
  PitChannel c = channel(kMode0, 10);
  c.set_gate(false, 5);
  EXPECT_EQ(count_at(c, 500), 6u);
  EXPECT_EQ(c.next_rise(500), std::nullopt);
  c.set_gate(true, 1000);
  EXPECT_EQ(c.next_rise(1000), 1006);
}

TEST(PitChannel, Mode1IsAOneShotThatTheGateFiresAndFiresAgain) {
  PitChannel c = channel(kMode1, 4);
  c.set_gate(false, 0);
  EXPECT_TRUE(c.out(100));
  c.set_gate(true, 100);
  EXPECT_TRUE(c.out(100));
  for (PitPulses at = 101; at <= 104; ++at) EXPECT_FALSE(c.out(at)) << at;
  EXPECT_TRUE(c.out(105));
  c.set_gate(false, 200);
  c.set_gate(true, 202);
  c.set_gate(false, 203);
  c.set_gate(true, 204);  // Again, before it ran out.
  EXPECT_FALSE(c.out(208));
  EXPECT_TRUE(c.out(209));
}

TEST(PitChannel, Mode1TakesANewCountAtTheNextTriggerOnly) {
  PitChannel c = channel(kMode1, 4);
  c.set_gate(false, 0);
  c.set_gate(true, 100);
  set_count(c, 50, 101);
  EXPECT_TRUE(c.out(105));
  EXPECT_TRUE(status_at(c, 105) & 0x40);
  c.set_gate(false, 110);
  c.set_gate(true, 111);
  EXPECT_FALSE(c.out(161));
  EXPECT_TRUE(c.out(162));
}

TEST(PitChannel, Mode2DividesByItsCount) {
  const PitChannel c = channel(kMode2, 1000);
  for (PitPulses at = 1; at < 5000; ++at) {
    const PitPulses into = (at - 1) % 1000;
    ASSERT_EQ(count_at(c, at), 1000 - into) << at;
    ASSERT_EQ(c.out(at), into != 999) << at;
  }
  EXPECT_EQ(c.next_rise(0), 1001);
  EXPECT_EQ(c.next_rise(1000), 1001);
  EXPECT_EQ(c.next_rise(1001), 2001);
}

TEST(PitChannel, Mode2StartsAfreshWhenItsGateRises) {
  PitChannel c = channel(kMode2, 100);
  c.set_gate(false, 50);
  EXPECT_TRUE(c.out(100));
  EXPECT_EQ(count_at(c, 100), 51u);
  c.set_gate(true, 200);
  EXPECT_EQ(count_at(c, 201), 100u);
  EXPECT_EQ(c.next_rise(201), 301);
}

TEST(PitChannel, Mode2FinishesItsCycleBeforeANewCount) {
  PitChannel c = channel(kMode2, 100);
  set_count(c, 10, 150);
  EXPECT_EQ(count_at(c, 151), 50u);
  EXPECT_TRUE(status_at(c, 151) & 0x40);
  EXPECT_EQ(c.next_rise(151), 201);
  EXPECT_EQ(count_at(c, 201), 10u);
  EXPECT_FALSE(status_at(c, 201) & 0x40);
  EXPECT_EQ(c.next_rise(201), 211);
}

TEST(PitChannel, Mode3IsASquareWaveThatCountsByTwo) {
  const PitChannel c = channel(kMode3, 8);
  const unsigned expected[] = {8, 6, 4, 2, 8, 6, 4, 2};
  for (PitPulses at = 1; at < 100; ++at) {
    const auto into = (at - 1) % 8;
    ASSERT_EQ(count_at(c, at), expected[into]) << at;
    ASSERT_EQ(c.out(at), into < 4) << at;
  }
  EXPECT_EQ(c.next_rise(2), 9);
}

TEST(PitChannel, Mode3WithAnOddCountIsHighOnePulseLonger) {
  const PitChannel c = channel(kMode3, 5);
  const unsigned expected[] = {4, 2, 0, 4, 2};
  for (PitPulses at = 1; at < 100; ++at) {
    const auto into = (at - 1) % 5;
    ASSERT_EQ(count_at(c, at), expected[into]) << at;
    ASSERT_EQ(c.out(at), into < 3) << at;
  }
}

TEST(PitChannel, Mode3TakesANewCountAtTheEndOfTheHalf) {
  PitChannel c = channel(kMode3, 100);
  set_count(c, 20, 10);
  EXPECT_TRUE(c.out(50));
  EXPECT_FALSE(c.out(51));  // The low half is already the new one.
  EXPECT_EQ(c.next_rise(11), 61);
  EXPECT_FALSE(c.out(60));
  EXPECT_TRUE(c.out(61));
  EXPECT_EQ(c.next_rise(61), 81);
}

TEST(PitChannel, Mode4StrobesOnceForOnePulse) {
  const PitChannel c = channel(kMode4, 5);
  EXPECT_TRUE(c.out(5));
  EXPECT_FALSE(c.out(6));
  EXPECT_TRUE(c.out(7));
  EXPECT_EQ(c.next_rise(0), 7);
  EXPECT_EQ(c.next_rise(7), std::nullopt);
}

TEST(PitChannel, Mode4CountsAgainFromEachWrite) {
  PitChannel c = channel(kMode4, 100);
  set_count(c, 10, 50);
  EXPECT_EQ(c.next_rise(50), 50 + 1 + 10 + 1);
}

TEST(PitChannel, Mode5StrobesAfterTheGatesRise) {
  PitChannel c = channel(kMode5, 5);
  EXPECT_EQ(c.next_rise(0), std::nullopt);
  c.set_gate(false, 10);
  c.set_gate(true, 20);
  EXPECT_FALSE(c.out(26));
  EXPECT_EQ(c.next_rise(20), 27);
}

TEST(PitChannel, CountsInBcd) {
  const PitChannel c = channel(kMode2 | kBcd, 0x1000);
  EXPECT_EQ(count_at(c, 1), 0x1000u);
  EXPECT_EQ(count_at(c, 2), 0x0999u);
  EXPECT_EQ(c.next_rise(1), 1001);
  const PitChannel zero = channel(kMode2 | kBcd, 0);
  EXPECT_EQ(zero.next_rise(1), 10001);
}

TEST(PitChannel, ACountOfZeroIsTheLongestOne) {
  EXPECT_EQ(channel(kMode2, 0).next_rise(1), 65537);
}

TEST(PitChannel, ALatchHoldsUntilItIsReadWhole) {
  PitChannel c = channel(kMode2, 0x1234);
  c.latch_count(1);
  c.latch_count(50);  // Ignored.
  EXPECT_EQ(c.read_count(60), 0x34);
  EXPECT_EQ(c.read_count(70), 0x12);
  EXPECT_EQ(c.read_count(1 + 0x34), 0x00);  // Live again.
}

TEST(PitChannel, StatusComesBeforeTheLatchedCount) {
  PitChannel c = channel(kMode3, 0x1234);
  c.latch_count(1);
  c.latch_status(1);
  EXPECT_EQ(c.read_count(9), 0x80 | kMode3);
  EXPECT_EQ(c.read_count(9), 0x34);
  EXPECT_EQ(c.read_count(9), 0x12);
}

TEST(PitChannel, NullCountIsSetUntilTheCountIsLoaded) {
  PitChannel c;
  c.write_control(kMode2, 0);
  EXPECT_TRUE(status_at(c, 0) & 0x40);
  set_count(c, 100, 5);
  EXPECT_TRUE(status_at(c, 5) & 0x40);
  EXPECT_FALSE(status_at(c, 6) & 0x40);
}

TEST(PitChannel, SingleByteAccessWritesAndReadsThatByte) {
  PitChannel low;
  low.write_control(0x14, 0);
  EXPECT_TRUE(low.write_count(0x80, 0));
  EXPECT_EQ(low.next_rise(1), 1 + 0x80);
  EXPECT_EQ(low.read_count(2), 0x7f);
  PitChannel high;
  high.write_control(0x24, 0);
  EXPECT_TRUE(high.write_count(0x80, 0));
  EXPECT_EQ(high.next_rise(1), 1 + 0x8000);
  EXPECT_EQ(high.read_count(2), 0x7f);
}

TEST(PitChannel, ModesSixAndSevenAreTwoAndThree) {
  EXPECT_EQ(channel(0x3c, 10).mode(), 2);
  EXPECT_EQ(channel(0x3e, 10).mode(), 3);
}

TEST(Pit, PulsesAndTimeAreExactInverses) {
  EXPECT_EQ(Pit::pulses_at(GuestTime{1'000'000'000}), 1'193'182);
  EXPECT_EQ(Pit::pulses_at(GuestTime{3'600'000'000'000'000}), 1'193'182ll * 3'600'000);
  for (PitPulses pulses : {1ll, 2ll, 1'193'181ll, 1'193'182ll, 123'456'789'012'345ll}) {
    const GuestTime at = Pit::time_of(pulses);
    EXPECT_EQ(Pit::pulses_at(at), pulses);
    EXPECT_EQ(Pit::pulses_at(GuestTime{at.ns - 1}), pulses - 1);
  }
}

struct PitOnBoard : testing::Test {
  DeviceFixture m;
  unsigned ticks_seen = 0;

  void program(std::uint8_t control, std::uint16_t count) {
    m.out(0x43, control);
    const auto port = static_cast<std::uint16_t>(0x40 + (control >> 6));
    m.out(port, count & 0xffu);
    m.out(port, static_cast<std::uint32_t>(count >> 8));
  }
  unsigned read_counter(unsigned channel) {
    m.out(0x43, channel << 6);
    const auto port = static_cast<std::uint16_t>(0x40 + channel);
    const unsigned low = m.in(port);
    return low | (m.in(port) << 8);
  }
  /// Interrupts taken over `ns`, looked at every `step_ns`.
  unsigned interrupts_during(std::uint64_t ns, std::uint64_t step_ns) {
    unsigned seen = 0;
    for (const GuestTime end = m.time().plus_ns(ns); m.time() < end;) {
      m.run_ns(step_ns);
      if (m.take_interrupt()) ++seen, m.out(0x20, 0x20);
    }
    return seen;
  }
};

TEST_F(PitOnBoard, Channel0InterruptsAtItsRate) {
  m.init_pics(0xfffe);
  program(kMode2, 11932);  // 99.998 Hz.
  EXPECT_EQ(interrupts_during(1'000'000'000, 1'000'000), 99u);
}

TEST_F(PitOnBoard, SquareWaveInterruptsOncePerPeriod) {
  m.init_pics(0xfffe);
  program(kMode3, 11932);
  EXPECT_EQ(interrupts_during(1'000'000'000, 1'000'000), 99u);
}

TEST_F(PitOnBoard, InterruptsComeAtTheExactTickOfTheEdge) {
  m.init_pics(0xfffe);
  const PitPulses written = Pit::pulses_at(GuestTime{m.time().ns + 20});
  program(kMode2, 2000);
  const GuestTime edge = Pit::time_of(written + 1 + 2000);
  m.run_until(GuestTime{edge.ns - 20});
  EXPECT_FALSE(m.intr());
  m.run_until(edge);
  EXPECT_TRUE(m.intr());
}

TEST_F(PitOnBoard, OneShotInterruptsOnceAndIsReprogrammed) {
  m.init_pics(0xfffe);
  program(kMode0, 1193);
  EXPECT_EQ(interrupts_during(100'000'000, 100'000), 1u);
  program(kMode4, 1193);
  // Leaving mode 0's low output for mode 4's high one would be an edge too; here it was high.
  EXPECT_EQ(interrupts_during(100'000'000, 100'000), 1u);
}

TEST_F(PitOnBoard, AClockStepLosesTicksAndKeepsThePhase) {
  m.init_pics(0xfffe);
  const PitPulses written = Pit::pulses_at(GuestTime{m.time().ns + 20});
  program(kMode2, 11932);
  m.run_ns(1'000'000);
  m.step_clock(10'000'000'000);
  ASSERT_TRUE(m.take_interrupt());
  m.out(0x20, 0x20);
  EXPECT_FALSE(m.take_interrupt());  // One, not a thousand.
  const PitPulses passed = Pit::pulses_at(m.time()) - (written + 1);
  const GuestTime next = Pit::time_of(written + 1 + (passed / 11932 + 1) * 11932);
  m.run_until(GuestTime{next.ns - 20});
  EXPECT_FALSE(m.intr());
  m.run_until(next);
  EXPECT_TRUE(m.intr());
}

TEST_F(PitOnBoard, NoAccessMakesAnInterruptDueBeforeTheHoldIsOver) {
  m.init_pics(0xfffe);
  m.out(0x43, 0x10);  // Mode 0, low byte only.
  const Tick written = m.tick();
  m.out(0x40, 1);
  m.run_ticks(kAccessHoldTicks - 2);
  EXPECT_LT(m.tick().value, written.value + kAccessHoldTicks);
  EXPECT_FALSE(m.intr());
  m.run_ticks(1);
  EXPECT_TRUE(m.intr());
}

TEST_F(PitOnBoard, LatchCommandsInALoopDoNotPutTheInterruptOff) {
  m.init_pics(0xfffe);
  program(kMode2, 1193);
  unsigned seen = 0;
  for (int i = 0; i < 300'000; ++i) {
    m.out(0x43, 0x00);
    if (m.take_interrupt()) ++seen, m.out(0x20, 0x20);
  }
  EXPECT_NEAR(seen, 3, 1);
}

TEST_F(PitOnBoard, CounterReadsFollowGuestTime) {
  program(kMode2, 0);
  const unsigned first = read_counter(0);
  const GuestTime from = m.time();
  m.run_ns(10'000'000);
  const unsigned second = read_counter(0);
  const PitPulses expected = Pit::pulses_at(m.time()) - Pit::pulses_at(from);
  EXPECT_NEAR((first - second) & 0xffff, static_cast<double>(expected), 1);
}

TEST_F(PitOnBoard, FirmwareLeavesChannel0RunningAndReady) {
  m.out(0x43, 0xc2);  // Read back count and status.
  EXPECT_EQ(m.in(0x40), 0x80 | kMode3);
}

TEST_F(PitOnBoard, ReadBackLatchesSeveralCountersAtOneInstant) {
  program(0x34, 0);
  program(0x74, 0);
  m.out(0x43, 0xde - 0x08);  // Counts of channels 0 and 1.
  m.run_ns(1'000'000);
  const unsigned low0 = m.in(0x40), high0 = m.in(0x40);
  const unsigned low1 = m.in(0x41), high1 = m.in(0x41);
  EXPECT_NEAR(static_cast<int>(low0 | (high0 << 8)), static_cast<int>(low1 | (high1 << 8)), 2);
}

TEST_F(PitOnBoard, TheControlPortCannotBeRead) {
  EXPECT_EQ(m.in(0x43), 0xffu);
}

TEST_F(PitOnBoard, Port61GatesChannel2AndShowsItsOutput) {
  m.out(0x61, 0x00);
  program(0xb0, 59659);  // Mode 0, 50 ms: how Linux calibrates the TSC.
  m.run_ns(100'000'000);
  EXPECT_FALSE(m.in(0x61) & 0x20);  // The gate is low, nothing counts.
  m.out(0x61, 0x01);
  m.run_ns(49'990'000);
  EXPECT_FALSE(m.in(0x61) & 0x20);
  m.run_ns(20'000);
  EXPECT_TRUE(m.in(0x61) & 0x20);
}

TEST_F(PitOnBoard, Port61TogglesWithTheRefresh) {
  // A refresh takes 18 pulses, 15.086 us.
  unsigned changes = 0;
  for (unsigned last = m.in(0x61) & 0x10, i = 0; i < 1000; ++i) {
    m.run_ns(1'500);
    const unsigned now = m.in(0x61) & 0x10;
    if (now != last) ++changes;
    last = now;
  }
  EXPECT_NEAR(changes, 100, 2);
}

TEST_F(PitOnBoard, Port61KeepsItsLowBits) {
  m.out(0x61, 0xff);
  EXPECT_EQ(m.in(0x61) & 0xcf, 0x0fu);
}

TEST_F(PitOnBoard, ResetBringsBackTheFirmwaresTimer) {
  m.init_pics(0xfffe);
  program(kMode2, 100);
  m.reset();
  m.init_pics(0xfffe);
  EXPECT_EQ(interrupts_during(1'000'000'000, 1'000'000), 18u);
}

}  // namespace
}  // namespace ftvm::devices
