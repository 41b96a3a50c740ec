// The discipline against invented guests: any speed, idle mixes, late wakes and stalls.
#include "devices/host/host_clock.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "emulator/base/prng.h"
#include "emulator/clock.h"

namespace ftvm::devices::host {
namespace {

constexpr std::uint64_t kSlice = 500'000;
constexpr std::uint64_t kMs = 1'000'000;
constexpr HostTime kStart{7'000'000'000};

/// A guest with a real GuestClock, which refuses any sync that it must not be given.
class Guest {
 public:
  Guest() { stop(); }

  /// Runs `ticks` at `ticks_per_second`, asking at each end of a slice as LiveWorld does.
  void busy(std::uint64_t ticks, std::uint64_t ticks_per_second) {
    while (ticks > 0) {
      const std::uint64_t slice = discipline.slice_ticks(kSlice);
      const std::uint64_t part = std::min(ticks, slice - tick_.value % slice);
      tick_.value += part;
      host_.ns += part * 1'000'000'000 / ticks_per_second;
      ticks -= part;
      note();
      stop();
    }
  }
  void busy_ms(std::uint64_t ms, std::uint64_t ticks_per_second) {
    busy(ticks_per_second / 1000 * ms, ticks_per_second);
  }
  void stall(std::uint64_t ns) { host_.ns += ns; }

  /// Halts until guest time `due`; the host wakes it `late_ns` too late.
  void idle_until(GuestTime due, std::uint64_t late_ns) {
    const Tick due_tick = clock_.first_tick_at(due);
    if (due_tick <= tick_) return;
    const ClockDiscipline::Idle idle{.now = tick_, .time = time()};
    const HostTime deadline = discipline.host_at(idle, due_tick);
    const HostTime from = host_;
    if (deadline > host_) host_.ns = deadline.ns + late_ns;
    discipline.slept({.from = from, .to = host_, .now = tick_, .until = due_tick});
    tick_ = due_tick;
    note();
    stop();
  }
  /// Halts with nothing due, and is woken by an input after `ns`.
  void idle_until_input(std::uint64_t ns) {
    const ClockDiscipline::Idle idle{.now = tick_, .time = time()};
    const HostTime from = host_;
    host_.ns += ns;
    const Tick until = discipline.tick_at(idle, host_, Tick::never());
    discipline.slept({.from = from, .to = host_, .now = tick_, .until = until});
    tick_ = until;
    note();
    stop();
  }

  void stop() {
    const GuestTime before = time();
    if (const auto sync = discipline.steer(host_, tick_, before)) {
      const Status applied = clock_.apply(tick_, *sync);
      ASSERT_TRUE(applied) << applied.error().message();
      rates.push_back(sync->ps_per_tick);
      ++syncs;
    }
    ASSERT_GE(time(), before);
  }

  [[nodiscard]] GuestTime time() const { return clock_.at(tick_); }
  [[nodiscard]] HostTime host() const { return host_; }
  /// Positive: the guest is behind. Units: nanoseconds.
  [[nodiscard]] std::int64_t error() const {
    return static_cast<std::int64_t>(host_.ns - kStart.ns - time().ns);
  }
  void forget_extremes() { behind_max = ahead_max = 0, syncs = 0; }

  ClockDiscipline discipline;
  std::vector<std::uint64_t> rates;
  std::int64_t behind_max = 0;
  std::int64_t ahead_max = 0;
  std::uint64_t syncs = 0;

 private:
  void note() {
    behind_max = std::max(behind_max, error());
    ahead_max = std::max(ahead_max, -error());
  }

  GuestClock clock_;
  HostTime host_ = kStart;
  Tick tick_;
};

TEST(ClockDiscipline, FirstStopTellsTheRate) {
  ClockDiscipline discipline;
  const auto sync = discipline.steer(kStart, Tick{5}, GuestTime{123});
  ASSERT_TRUE(sync);
  EXPECT_EQ(sync->base, GuestTime{123});
  EXPECT_EQ(sync->ps_per_tick, kNominalPsPerTick);
}

TEST(ClockDiscipline, FollowsABusyGuestOfAnySpeedWithinAMillisecond) {
  for (const std::uint64_t speed :
       {10'000'000ull, 30'000'000ull, 100'000'000ull, 600'000'000ull, 4'000'000'000ull}) {
    Guest guest;
    guest.busy_ms(5000, speed);
    guest.forget_extremes();
    guest.busy_ms(2000, speed);
    EXPECT_LT(guest.behind_max, 1'000'000) << speed;
    EXPECT_LT(guest.ahead_max, 1'000'000) << speed;
    EXPECT_LE(guest.syncs, 200u) << speed;
  }
}

TEST(ClockDiscipline, StepsAStarvedGuestInsteadOfSlowingItsProcessorForEver) {
  Guest guest;
  guest.busy_ms(5000, 1'000'000);
  guest.forget_extremes();
  guest.busy_ms(5000, 1'000'000);
  EXPECT_LT(guest.behind_max, 300'000'000) << "the bound of a step, and a little";
  EXPECT_LT(guest.ahead_max, 1'000'000);
}

TEST(ClockDiscipline, SurvivesChangesOfSpeedByFive) {
  Prng random(42);
  Guest guest;
  std::uint64_t speed = 300'000'000;
  for (int change = 0; change < 300; ++change) {
    // Between a fifth and five times, within what an emulator does.
    const double factor = std::pow(5.0, static_cast<double>(random.next() % 2001) / 1000.0 - 1.0);
    speed = static_cast<std::uint64_t>(static_cast<double>(speed) * factor);
    speed = std::clamp<std::uint64_t>(speed, 60'000'000, 900'000'000);
    guest.forget_extremes();
    guest.busy_ms(400, speed);
    EXPECT_LT(guest.behind_max, 25'000'000) << "change " << change;
    EXPECT_LT(guest.ahead_max, 25'000'000) << "change " << change;
    EXPECT_LT(std::abs(guest.error()), 1'000'000) << "change " << change;
  }
  for (const std::uint64_t rate : guest.rates) {
    EXPECT_GE(rate, 1u);
    EXPECT_LE(rate, kPsPerTickMax);
  }
}

TEST(ClockDiscipline, StepsForwardOverAStallOfTheHostAndThenGoesOn) {
  Guest guest;
  guest.busy_ms(1000, 300'000'000);
  const std::uint64_t rate_before = guest.rates.back();
  guest.stall(5'000 * kMs);
  guest.stop();
  EXPECT_EQ(guest.error(), 0);
  EXPECT_EQ(guest.discipline.counters().steps, 1u);
  // The stall was not taken for a speed.
  EXPECT_NEAR(static_cast<double>(guest.rates.back()), static_cast<double>(rate_before),
              static_cast<double>(rate_before) / 4);
  guest.forget_extremes();
  guest.busy_ms(1000, 300'000'000);
  EXPECT_LT(guest.behind_max, 1'000'000);
  EXPECT_LT(guest.ahead_max, 1'000'000);
}

TEST(ClockDiscipline, SlewsOverAShortStallWithoutAStep) {
  Guest guest;
  guest.busy_ms(1000, 300'000'000);
  guest.stall(200 * kMs);
  guest.busy_ms(1000, 300'000'000);
  EXPECT_EQ(guest.discipline.counters().steps, 0u);
  EXPECT_LT(std::abs(guest.error()), 1'000'000);
  // One bad interval must not throw the guest far ahead.
  EXPECT_LT(guest.ahead_max, 20'000'000);
}

TEST(ClockDiscipline, AGuestThatIsSuddenlyTwoHundredTimesAsFastDoesNotGetFarAhead) {
  Guest guest;
  guest.busy_ms(5000, 3'000'000);
  guest.forget_extremes();
  guest.busy_ms(500, 600'000'000);
  EXPECT_LT(guest.ahead_max, 25'000'000);
  EXPECT_LT(std::abs(guest.error()), 1'000'000);
}

TEST(ClockDiscipline, StallsAreNotTakenForTheSpeedEvenBeforeThereIsAMeasure) {
  Guest guest;
  for (int i = 0; i < 4; ++i) {
    guest.busy(10, 300'000'000);
    guest.stall(200 * kMs);
    guest.stop();
  }
  for (const std::uint64_t rate : guest.rates) EXPECT_LT(rate, 40 * kNominalPsPerTick);
  guest.busy_ms(2000, 300'000'000);
  EXPECT_LT(guest.ahead_max, 25'000'000);
  EXPECT_LT(std::abs(guest.error()), 1'000'000);
}

TEST(ClockDiscipline, AnIdleGuestWithAPunctualHostNeedsNoSyncAtAll) {
  Guest guest;
  guest.busy_ms(500, 300'000'000);
  guest.forget_extremes();
  GuestTime due = guest.time();
  for (int wake = 0; wake < 2500; ++wake) {
    due = due.plus_ns(4 * kMs);
    guest.idle_until(due, 60'000);
    guest.busy(15'000, 300'000'000);
  }
  EXPECT_EQ(guest.syncs, 0u);
  EXPECT_LT(guest.behind_max, 200'000);
  EXPECT_LT(guest.ahead_max, 200'000);
}

TEST(ClockDiscipline, AnIdleGuestOnABadHostStaysWithinTheJournalBudget) {
  // 100 kbit/s is about 780 syncs of 16 bytes in a second.
  Prng random(7);
  Guest guest;
  guest.busy_ms(500, 300'000'000);
  guest.forget_extremes();
  const HostTime start = guest.host();
  GuestTime due = guest.time();
  for (int wake = 0; wake < 5000; ++wake) {
    due = due.plus_ns(4 * kMs);
    guest.idle_until(due, random.next() % (3 * kMs));
    guest.busy(5'000 + random.next() % 30'000, 100'000'000 + random.next() % 500'000'000);
  }
  const double seconds = static_cast<double>(guest.host().ns - start.ns) / 1e9;
  EXPECT_LT(static_cast<double>(guest.syncs) / seconds, 250.0);
  EXPECT_LT(guest.behind_max, 5'000'000);
  EXPECT_LT(guest.ahead_max, 1'000'000);
}

TEST(ClockDiscipline, AGuestThatWaitsForInputWakesAtTheHostsTime) {
  Guest guest;
  guest.busy_ms(500, 200'000'000);
  for (int wake = 0; wake < 100; ++wake) {
    guest.idle_until_input(3'600'000 * kMs);  // An hour.
    EXPECT_LT(std::abs(guest.error()), 1'000'000);
    guest.busy_ms(5, 200'000'000);
  }
}

TEST(ClockDiscipline, IdleMixesOfAllKindsNeverRunAway) {
  Prng random(1234);
  Guest guest;
  for (int i = 0; i < 3000; ++i) {
    const std::uint64_t speed = 60'000'000 + random.next() % 540'000'000;
    switch (random.next() % 4) {
      case 0:
        guest.busy_ms(1 + random.next() % 40, speed);
        break;
      case 1:
        guest.idle_until(guest.time().plus_ns(random.next() % (50 * kMs)),
                         random.next() % (2 * kMs));
        break;
      case 2:
        guest.idle_until_input(random.next() % (50 * kMs));
        break;
      default:
        if (random.next() % 20 == 0) guest.stall(random.next() % (5'000 * kMs));
        guest.busy(1 + random.next() % 1000, speed);
    }
    ASSERT_LT(guest.ahead_max, 60'000'000) << "step " << i;
  }
  guest.busy_ms(1000, 200'000'000);
  EXPECT_LT(std::abs(guest.error()), 1'000'000);
}

TEST(ClockDiscipline, ABackupAimsAtThePrimarysTimeAfterAnOutage) {
  ClockDiscipline discipline;
  // The journal arrives 5 to 100 ms late.
  const auto host_of = [](std::uint64_t ms) { return HostTime{kStart.ns + ms * kMs}; };
  for (std::uint64_t ms = 0; ms < 30'000; ms += 10) {
    discipline.observe_peer(host_of(ms + 5 + (ms * 7) % 95), GuestTime{ms * kMs});
  }
  // The primary dies at 30 s; 400 ms later the backup is live and at 29.95 s.
  const auto sync = discipline.steer(host_of(30'400), Tick{1'000'000}, GuestTime{29'950 * kMs});
  ASSERT_TRUE(sync);
  EXPECT_EQ(discipline.counters().steps, 1u);
  EXPECT_NEAR(static_cast<double>(sync->base.ns), 30'395e6, 1e6);
}

TEST(ClockDiscipline, AnAnchoredRestoreStepsOnceToTheTimeWanted) {
  ClockDiscipline discipline;
  discipline.anchor(kStart, GuestTime{86'400'000 * kMs});
  const auto sync = discipline.steer(kStart, Tick{9}, GuestTime{5});
  ASSERT_TRUE(sync);
  EXPECT_EQ(sync->base, GuestTime{86'400'000 * kMs});
  EXPECT_FALSE(discipline.steer(kStart, Tick{9}, sync->base));
}

TEST(ClockDiscipline, AGuestFarAheadIsSlowedAndNeverSetBack) {
  Guest guest;
  guest.busy_ms(500, 300'000'000);
  guest.discipline.anchor(guest.host(), GuestTime{guest.time().ns - 100 * kMs});
  std::int64_t error_before = -1;
  for (int i = 0; i < 20; ++i) {
    guest.busy_ms(50, 300'000'000);  // stop() checks that time never goes back.
    error_before = guest.discipline.counters().error_ns;
  }
  EXPECT_LT(std::abs(error_before), 1'000'000);
}

TEST(ClockDiscipline, NothingDueIsNever) {
  ClockDiscipline discipline;
  (void)discipline.steer(kStart, Tick{0}, GuestTime{0});
  const ClockDiscipline::Idle idle{.now = Tick{10}, .time = GuestTime{100}};
  EXPECT_EQ(discipline.host_at(idle, Tick::never()), HostTime::never());
  EXPECT_EQ(discipline.tick_at(idle, HostTime{0}, Tick{50}), Tick{10});
  EXPECT_EQ(discipline.tick_at(idle, HostTime{kStart.ns + 1'000'000}, Tick{50}), Tick{50});
}

TEST(HostClock, NeverGoesBackAndWakesAtItsDeadline) {
  HostClock clock;
  const WakeEvent wake;
  const HostTime before = clock.now();
  clock.wait_until({before.ns + 2'000'000}, wake);
  EXPECT_GE(clock.now().ns, before.ns + 2'000'000);
}

TEST(HostClock, ASetEventEndsASleepWithoutDeadline) {
  HostClock clock;
  const WakeEvent wake;
  wake.notify();
  clock.wait_until(HostTime::never(), wake);
  EXPECT_TRUE(wake.drain());
  EXPECT_FALSE(wake.drain());
}

}  // namespace
}  // namespace ftvm::devices::host
