// The MC146818 against its data sheet.
#include "devices/cmos_rtc.h"

#include <gtest/gtest.h>

#include "tests/support/device_fixture.h"

namespace ftvm::devices {
namespace {

using test::DeviceFixture;

constexpr std::int64_t kLeapDay2024 = 1709164799;  // 2024-02-28 23:59:59 UTC, a Wednesday.
constexpr std::uint64_t kMs = 1'000'000, kSecond = 1000 * kMs, kHour = 3600 * kSecond;
constexpr std::uint8_t kA = 0x0a, kB = 0x0b, kC = 0x0c, kD = 0x0d;

struct Rtc : testing::Test {
  DeviceFixture m{{.boot_unix_s = kLeapDay2024}};

  std::uint32_t get(std::uint8_t reg) {
    m.out(0x70, reg);
    return m.in(0x71);
  }
  void set(std::uint8_t reg, std::uint8_t value) {
    m.out(0x70, reg);
    m.out(0x71, value);
  }
  /// To `ns` after a whole guest second, the next one at least `seconds` away.
  void run_to_second(std::uint64_t seconds, std::uint64_t ns = 0) {
    const std::uint64_t whole = m.time().ns / kSecond + seconds;
    m.run_until(GuestTime{whole * kSecond + ns});
  }
  unsigned interrupts_during(std::uint64_t ns) {
    unsigned seen = 0;
    for (const GuestTime end = m.time().plus_ns(ns); m.time() < end;) {
      m.run_ns(50'000);
      if (!m.take_interrupt()) continue;
      ++seen;
      get(kC);
      m.out(0xa0, 0x20);
      m.out(0x20, 0x20);
    }
    return seen;
  }
};

TEST_F(Rtc, ShowsBootTimeAtGuestTimeZero) {
  EXPECT_EQ(get(0x00), 0x59u);
  EXPECT_EQ(get(0x02), 0x59u);
  EXPECT_EQ(get(0x04), 0x23u);
  EXPECT_EQ(get(0x06), 0x04u);  // Wednesday; Sunday is 1.
  EXPECT_EQ(get(0x07), 0x28u);
  EXPECT_EQ(get(0x08), 0x02u);
  EXPECT_EQ(get(0x09), 0x24u);
  EXPECT_EQ(get(0x32), 0x20u);
}

TEST_F(Rtc, CrossesIntoLeapDayOnGuestTimeAlone) {
  m.run_until(GuestTime{kSecond - 30});
  EXPECT_EQ(get(0x07), 0x28u);
  m.run_until(GuestTime{kSecond});
  EXPECT_EQ(get(0x07), 0x29u);
  EXPECT_EQ(get(0x06), 0x05u);
}

TEST_F(Rtc, ShowsBinaryAndTwelveHoursWhenAsked) {
  set(kB, 0x06);
  EXPECT_EQ(get(0x04), 23u);
  EXPECT_EQ(get(0x00), 59u);
  set(kB, 0x04);
  EXPECT_EQ(get(0x04), 0x80u | 11u);
  set(kB, 0x00);
  EXPECT_EQ(get(0x04), 0x91u);
  m.run_ns(kSecond);
  EXPECT_EQ(get(0x04), 0x12u);  // Midnight.
}

TEST_F(Rtc, TheIndexPortReadsAsOnes) {
  EXPECT_EQ(m.in(0x70), 0xffu);
}

TEST_F(Rtc, Bit7OfTheIndexIsNotPartOfIt) {
  m.out(0x70, 0x80 | kD);
  EXPECT_EQ(m.in(0x71), 0x80u);
}

TEST_F(Rtc, StartsWithTheFirmwaresRegisters) {
  EXPECT_EQ(get(kA) & 0x7f, 0x26u);
  EXPECT_EQ(get(kB), 0x02u);
  EXPECT_EQ(get(kC), 0x00u);
  EXPECT_EQ(get(kD), 0x80u);
}

TEST_F(Rtc, KeepsCmosBytes) {
  set(0x40, 0xab);
  EXPECT_EQ(get(0x40), 0xabu);
}

TEST_F(Rtc, TellsTheSizeOfTheRam) {
  EXPECT_EQ(get(0x15) | (get(0x16) << 8), 640u);
  EXPECT_EQ(get(0x17) | (get(0x18) << 8), 0xffffu);  // 255 MiB do not fit.
  EXPECT_EQ(get(0x30) | (get(0x31) << 8), 0xffffu);
  EXPECT_EQ(get(0x34) | (get(0x35) << 8), 240u * 16);
}

TEST_F(Rtc, TheGuestSetsTheTimeUnderSet) {
  set(kB, 0x82);
  set(0x00, 0x30), set(0x02, 0x45), set(0x04, 0x12);
  set(0x07, 0x31), set(0x08, 0x12), set(0x09, 0x99), set(0x32, 0x19), set(0x06, 0x06);
  m.run_ns(5 * kSecond);
  EXPECT_EQ(get(0x00), 0x30u);  // Updates are inhibited.
  run_to_second(1, 10);
  set(kB, 0x02);
  EXPECT_EQ(get(0x00), 0x30u);
  run_to_second(1, 10);
  EXPECT_EQ(get(0x00), 0x31u);
  m.run_ns(12 * kHour);
  EXPECT_EQ(get(0x09), 0x00u);
  EXPECT_EQ(get(0x32), 0x20u);
  EXPECT_EQ(get(0x07), 0x01u);
  EXPECT_EQ(get(0x06), 0x07u);  // One day after the day it was given.
}

TEST_F(Rtc, ATimeRegisterWrittenWithoutSetTakesEffectAtOnce) {
  set(0x04, 0x07);
  EXPECT_EQ(get(0x04), 0x07u);
  EXPECT_EQ(get(0x02), 0x59u);
  run_to_second(1, 10);
  EXPECT_EQ(get(0x04), 0x08u);
}

TEST_F(Rtc, ImpossibleDatesCarryOver) {
  set(kB, 0x82);
  set(0x07, 0x31), set(0x08, 0x02);  // 31 February 2024.
  set(kB, 0x02);
  EXPECT_EQ(get(0x08), 0x03u);
  EXPECT_EQ(get(0x07), 0x02u);
}

TEST_F(Rtc, AFirstUpdateFollowsHalfASecondAfterTheDividerIsReleased) {
  run_to_second(1, 700 * kMs);
  const std::uint32_t before = get(0x00);
  set(kA, 0x76);  // Divider in reset.
  m.run_ns(3 * kSecond);
  EXPECT_EQ(get(0x00), before);
  set(kA, 0x26);
  m.run_ns(499 * kMs);
  EXPECT_EQ(get(0x00), before);
  m.run_ns(2 * kMs);
  EXPECT_EQ(get(0x00), before + 1);
}

TEST_F(Rtc, UpdateInProgressWarnsBeforeTheSecondChanges) {
  run_to_second(1, 997 * kMs);
  EXPECT_FALSE(get(kA) & 0x80);
  m.run_ns(2 * kMs);
  EXPECT_TRUE(get(kA) & 0x80);
  run_to_second(1, 10);
  EXPECT_FALSE(get(kA) & 0x80);
}

TEST_F(Rtc, UpdateInProgressNeverShowsUnderSet) {
  set(kB, 0x82);
  run_to_second(1, 999 * kMs);
  EXPECT_FALSE(get(kA) & 0x80);
}

TEST_F(Rtc, UpdateEndedInterruptsOnceASecond) {
  m.init_pics(0xfefb);
  set(kB, 0x12);
  EXPECT_EQ(interrupts_during(10 * kSecond), 10u);
}

TEST_F(Rtc, PeriodicInterruptsAtTheRateOfRegisterA) {
  m.init_pics(0xfefb);
  set(kA, 0x2c);  // 16 Hz.
  set(kB, 0x42);
  EXPECT_EQ(interrupts_during(10 * kSecond), 160u);
  set(kA, 0x26);  // 1024 Hz.
  EXPECT_NEAR(interrupts_during(kSecond), 1024, 1);
  set(kA, 0x20);
  EXPECT_EQ(interrupts_during(kSecond), 0u);
}

TEST_F(Rtc, AlarmComesWhenTheTimeMatches) {
  m.init_pics(0xfefb);
  set(0x05, 0x00), set(0x03, 0x00), set(0x01, 0x30);  // 00:00:30.
  set(kB, 0x22);
  m.run_until(GuestTime{31 * kSecond - 20});
  EXPECT_FALSE(m.intr());
  m.run_until(GuestTime{31 * kSecond});
  EXPECT_TRUE(m.intr());
  EXPECT_EQ(get(kC), 0x80u | 0x20u | 0x10u | 0x40u);
}

TEST_F(Rtc, AlarmBytesFromC0OnMatchAnything) {
  m.init_pics(0xfefb);
  set(0x05, 0xc0), set(0x03, 0xff), set(0x01, 0x30);
  set(kB, 0x22);
  EXPECT_EQ(interrupts_during(180 * kSecond), 3u);
}

TEST_F(Rtc, AnAlarmInsideAClockStepIsNotLost) {
  m.init_pics(0xfefb);
  set(0x05, 0x01), set(0x03, 0x00), set(0x01, 0x00);
  set(kB, 0x22);
  m.run_ticks(kAccessHoldTicks);
  m.step_clock(2 * kHour);
  EXPECT_TRUE(m.intr());
}

TEST_F(Rtc, AClockStepGivesOnePeriodicInterrupt) {
  m.init_pics(0xfefb);
  set(kA, 0x2c);
  set(kB, 0x42);
  m.run_ticks(kAccessHoldTicks);
  m.step_clock(100 * kSecond);
  ASSERT_TRUE(m.take_interrupt());
  get(kC);
  m.out(0xa0, 0x20);
  m.out(0x20, 0x20);
  EXPECT_FALSE(m.intr());
}

TEST_F(Rtc, RegisterCIsClearedByReadingAndDropsTheLine) {
  m.init_pics(0xfefb);
  set(0x01, 0x30);  // Else the alarm of 00:00:00 comes too.
  set(kB, 0x12);
  run_to_second(1, 10);
  EXPECT_TRUE(m.intr());
  EXPECT_EQ(get(kC), 0x80u | 0x10u | 0x40u);
  EXPECT_FALSE(m.intr());
  EXPECT_EQ(get(kC) & 0x90, 0u);
}

TEST_F(Rtc, FlagsAreSetWithoutTheirInterrupts) {
  run_to_second(1, 10);
  const std::uint32_t flags = get(kC);
  EXPECT_EQ(flags & 0x80, 0u);
  EXPECT_EQ(flags & 0x50, 0x50u);
}

TEST_F(Rtc, AnInterruptEnabledAfterItsFlagComesAtOnce) {
  m.init_pics(0xfefb);
  run_to_second(1, 10);
  set(kB, 0x12);
  EXPECT_TRUE(m.intr());
}

TEST_F(Rtc, SetClearsTheUpdateEndedEnable) {
  set(kB, 0x12);
  set(kB, 0x92);
  EXPECT_EQ(get(kB), 0x82u);
}

TEST_F(Rtc, ResetClearsInterruptsAndKeepsTimeAndRam) {
  m.init_pics(0xfefb);
  set(0x40, 0xab);
  set(0x04, 0x07);
  set(kB, 0x72);
  run_to_second(2, 10);
  m.reset();
  m.init_pics(0xfefb);
  EXPECT_FALSE(m.intr());
  EXPECT_EQ(get(kB), 0x02u);
  EXPECT_EQ(get(0x40), 0xabu);
  EXPECT_EQ(get(0x04), 0x08u);
}

TEST(RtcRange, BootTimesOutOfRangeAreTheNearestOnes) {
  DeviceFixture late({.boot_unix_s = INT64_MAX});
  late.out(0x70, 0x32);
  EXPECT_EQ(late.in(0x71), 0x99u);
  DeviceFixture early({.boot_unix_s = INT64_MIN});
  early.out(0x70, 0x32);
  EXPECT_EQ(early.in(0x71), 0x00u);
}

}  // namespace
}  // namespace ftvm::devices
