// Guest time: exact at every tick, and its inverse.
#include "emulator/clock.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "emulator/base/prng.h"

namespace ftvm {
namespace {

/// A clock that was synchronised once.
GuestClock clock_with(Tick now, const ClockSync& sync) {
  GuestClock clock;
  const Status status = clock.apply(now, sync);
  EXPECT_TRUE(status) << status.error().message();
  return clock;
}

/// A number of random length, so that small and huge ones both occur.
std::uint64_t any(Prng& prng) {
  return prng.next() >> prng.below(64);
}

TEST(GuestClock, StartsAtZeroAtTheNominalRate) {
  const GuestClock clock;
  EXPECT_EQ(clock.at(Tick{0}), GuestTime{0});
  EXPECT_EQ(clock.at(Tick{100'000'000}), GuestTime{1'000'000'000});
  EXPECT_EQ(clock.at(Tick{12'345'678'901'234'567}), GuestTime{123'456'789'012'345'670});
}

TEST(GuestClock, DropsPartsOfANanosecondWithoutCarryingThem) {
  const GuestClock clock = clock_with(Tick{1000}, {GuestTime{5'000'000'007}, 333});
  EXPECT_EQ(clock.at(Tick{1000}), GuestTime{5'000'000'007});
  EXPECT_EQ(clock.at(Tick{1003}), GuestTime{5'000'000'007});  // 999 ps.
  EXPECT_EQ(clock.at(Tick{1004}), GuestTime{5'000'000'008});  // 1332 ps.
  EXPECT_EQ(clock.at(Tick{1000 + 1'000'000'000'000'000}), GuestTime{333'005'000'000'007});
}

TEST(GuestClock, SaturatesAtNever) {
  const GuestClock clock = clock_with(Tick{7}, {GuestTime{70}, kPsPerTickMax});
  EXPECT_EQ(clock.at(Tick{7 + 18'446'744'073}), GuestTime{18'446'744'073'000'070});
  EXPECT_EQ(clock.at(Tick::never()), GuestTime::never());
}

TEST(GuestClock, InverseOfThePastIsTheBaseTick) {
  const GuestClock clock = clock_with(Tick{1000}, {GuestTime{50'000}, 100});
  EXPECT_EQ(clock.first_tick_at(GuestTime{0}), Tick{1000});
  EXPECT_EQ(clock.first_tick_at(GuestTime{50'000}), Tick{1000});
  EXPECT_EQ(clock.first_tick_at(GuestTime{50'001}), Tick{1010});
}

TEST(GuestClock, InverseOfNeverAndOfTheUnreachableIsNever) {
  EXPECT_EQ(GuestClock().first_tick_at(GuestTime::never()), Tick::never());
  const GuestClock slow = clock_with(Tick{0}, {GuestTime{0}, 1});
  EXPECT_EQ(slow.first_tick_at(GuestTime{Tick::never().value / 1000 + 1}), Tick::never());
}

TEST(GuestClock, InverseIsExactForAnyBaseAndRate) {
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Prng prng(seed);
    const Tick now{prng.below(std::uint64_t{1} << 58)};
    const GuestTime base = GuestClock().at(now).plus_ns(any(prng));
    const GuestClock clock = clock_with(now, {base, 1 + any(prng) % kPsPerTickMax});

    const GuestTime time{any(prng)};
    const Tick first = clock.first_tick_at(time);
    if (first == Tick::never()) {
      // Unreachable indeed: the last tick but one is still before it.
      ASSERT_LT(clock.at(Tick{first.value - 1}), time);
      continue;
    }
    ASSERT_GE(clock.at(first), time);
    if (first > now) {
      ASSERT_LT(clock.at(Tick{first.value - 1}), time);
    }

    const Tick tick = now.plus(any(prng));
    ASSERT_LE(clock.at(tick), clock.at(tick.plus(1)));
    if (clock.at(tick) != GuestTime::never()) {
      ASSERT_LE(clock.first_tick_at(clock.at(tick)), tick);
    }
  }
}

TEST(GuestClock, GoesOnFromTheBaseOfASync) {
  GuestClock clock;
  ASSERT_TRUE(clock.apply(Tick{100}, {GuestTime{1000}, 20'000}));
  EXPECT_EQ(clock.at(Tick{100}), GuestTime{1000});
  EXPECT_EQ(clock.at(Tick{101}), GuestTime{1020});
  EXPECT_EQ(clock.ps_per_tick(), 20'000u);
  ASSERT_TRUE(clock.apply(Tick{101}, {GuestTime{5000}, 1})) << "a jump forwards is fine";
  EXPECT_EQ(clock.at(Tick{101}), GuestTime{5000});
}

TEST(GuestClock, RefusesASyncThatTurnsTimeBackOrHasNoRate) {
  GuestClock clock;
  const std::vector<ClockSync> refused = {
      {GuestTime{999}, 10'000}, {GuestTime{1000}, 0}, {GuestTime{1000}, kPsPerTickMax + 1}};
  for (const ClockSync& sync : refused) {
    const Status status = clock.apply(Tick{100}, sync);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), ErrorCode::kBadData);
    EXPECT_EQ(clock.at(Tick{100}), GuestTime{1000});
    EXPECT_EQ(clock.at(Tick{50}), GuestTime{500}) << "nothing changed";
  }
  EXPECT_TRUE(clock.apply(Tick{100}, {GuestTime{1000}, kPsPerTickMax}));
}

TEST(GuestClock, ComesBackFromItsState) {
  GuestClock clock = clock_with(Tick{123}, {GuestTime{456'789}, 777});
  Bytes bytes;
  StateSaver saver(bytes);
  clock.visit_state(saver);
  GuestClock other;
  StateLoader loader(bytes);
  other.visit_state(loader);
  ASSERT_TRUE(loader.finish());
  EXPECT_EQ(other.at(Tick{1'000'000}), clock.at(Tick{1'000'000}));
}

TEST(GuestClock, RefusesAStateWithAnImpossibleRate) {
  for (const std::uint64_t rate : {std::uint64_t{0}, kPsPerTickMax + 1}) {
    Bytes bytes;
    ByteWriter writer(bytes);
    writer.put(std::uint64_t{1});
    writer.put(std::uint64_t{2});
    writer.put(rate);
    GuestClock clock;
    StateLoader loader(bytes);
    clock.visit_state(loader);
    EXPECT_EQ(loader.finish().error().code(), ErrorCode::kBadData);
  }
}

TEST(GuestClockDeathTest, AskingForATickBeforeTheSyncIsOurBug) {
  const GuestClock clock = clock_with(Tick{1000}, {GuestTime{50'000}, 100});
  EXPECT_DEATH((void)clock.at(Tick{999}), "base_tick_");
}

TEST(EndReason, HasANameForEachValue) {
  std::set<std::string_view> names;
  for (int reason = 1; reason <= static_cast<int>(EndReason::kDeadlock); ++reason) {
    names.insert(end_reason_name(static_cast<EndReason>(reason)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(EndReason::kDeadlock));
  EXPECT_FALSE(names.contains("unknown"));
}

TEST(EndReason, ADeadlockIsNotSpokenOfAsAnError) {
  EXPECT_EQ(end_reason_text(EndReason::kPowerOff), "power_off");
  EXPECT_EQ(end_reason_text(EndReason::kDeadlock),
            "deadlock (the guest halted with interrupts off: switched off, or stuck)");
}

}  // namespace
}  // namespace ftvm
