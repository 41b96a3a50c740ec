// The lag controller on a simulated pair: stays below twice its target, does not swing.
#include "ftcore/protocol/lag_control.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "emulator/base/prng.h"
#include "ftcore/protocol/execution_lag.h"

namespace ftvm::ftcore {
namespace {

constexpr HostTime at_ms(std::int64_t ms) {
  return {ms * kNsPerMs};
}
constexpr double kTicksPerMs = 50'000;
constexpr std::int64_t kHiccupAgoMs = 5'000;
/// Without its sleep the primary needs a millisecond for so many ticks.
void grant(ExecutionLag& lag, double tick, HostTime now) {
  lag.on_grant(Tick{static_cast<std::uint64_t>(tick)},
               static_cast<std::uint64_t>(tick / kTicksPerMs * 1000), now);
}

struct Plant {
  double slower = 10;  // Backup's time for the primary's work.
  std::int64_t ack_ms = 20;
  std::int64_t delay_ms = 1;
  std::uint64_t jitter_percent = 0;
  std::int64_t run_ms = 60'000;
  /// The backup stands still for so long, kHiccupAgoMs before the second half begins.
  std::int64_t hiccup_ms = 0;
};
struct Outcome {
  double lag_p95 = 0;
  double lag_max_late = 0;  // In the second half.
  double duty_min_late = 1;
  double duty_max_late = 0;
};

/// A primary that runs its duty and a backup that executes as fast as it can, and says so.
Outcome simulate(const Plant& plant) {
  struct Said {
    double age_ms, cost_ms;
  };
  Prng rng(7);
  LagControl control({});
  control.start(at_ms(0));
  ExecutionLag lag(Tick{0}, at_ms(0));
  double primary = 0, backup = 0, duty = 1;
  std::vector<double> lags;
  std::vector<Said> said{{0, 0}};
  Outcome outcome;
  for (std::int64_t ms = 1; ms <= plant.run_ms; ++ms) {
    const auto swing = static_cast<double>(rng.below(2 * plant.jitter_percent + 1)) / 100;
    const double noise = 1 - static_cast<double>(plant.jitter_percent) / 100 + swing;
    primary += kTicksPerMs * duty;
    grant(lag, primary, at_ms(ms));
    const std::int64_t since_hiccup_ms = ms - (plant.run_ms / 2 - kHiccupAgoMs);
    const bool stands = since_hiccup_ms >= 0 && since_hiccup_ms < plant.hiccup_ms;
    if (!stands) backup = std::min(primary, backup + kTicksPerMs / plant.slower * noise);
    lag.on_executed(Tick{static_cast<std::uint64_t>(backup)}, at_ms(ms));
    said.push_back({lag.age_ms(at_ms(ms)), lag.cost_ms(at_ms(ms))});
    if (ms % plant.ack_ms != 0) continue;
    const auto seen = static_cast<std::size_t>(std::max<std::int64_t>(0, ms - plant.delay_ms));
    const JournalSeq record{static_cast<std::uint64_t>(ms)};
    control.on_sent(record, at_ms(ms - plant.delay_ms));
    duty = control.on_ack(record, said[seen].age_ms, said[seen].cost_ms, at_ms(ms));
    lags.push_back(said.back().age_ms);
    if (ms < plant.run_ms / 2) continue;
    outcome.lag_max_late = std::max(outcome.lag_max_late, lags.back());
    outcome.duty_min_late = std::min(outcome.duty_min_late, duty);
    outcome.duty_max_late = std::max(outcome.duty_max_late, duty);
  }
  std::sort(lags.begin(), lags.end());
  outcome.lag_p95 = lags[lags.size() * 95 / 100];
  return outcome;
}

TEST(LagControl, KeepsATenTimesSlowerBackupWithinTwiceTheTarget) {
  for (const std::int64_t ack_ms : {10, 20, 50}) {
    for (const std::int64_t delay_ms : {1, 20}) {
      const Outcome outcome = simulate({.ack_ms = ack_ms, .delay_ms = delay_ms});
      EXPECT_LT(outcome.lag_p95, 200) << ack_ms;
      EXPECT_LT(outcome.lag_max_late, 200) << "no oscillation, ack period " << ack_ms;
      EXPECT_NEAR(outcome.duty_min_late, 0.1, 0.02) << ack_ms;
      EXPECT_NEAR(outcome.duty_max_late, 0.1, 0.02) << ack_ms;
    }
  }
}

TEST(LagControl, StaysStableWhenTheBackupIsNoisy) {
  for (const double slower : {1.5, 3.0, 10.0}) {
    const Outcome outcome = simulate({.slower = slower, .jitter_percent = 60});
    EXPECT_LT(outcome.lag_p95, 200) << slower;
    EXPECT_LT(outcome.lag_max_late, 200) << slower;
  }
}

/// A backup that kept up becomes ten times slower at once, and reports every 20 ms, in which it
/// runs 2: what the primary still does at full speed costs ten times as long.
TEST(LagControl, HesitatesLittleWhenABackupIsSlowedAtOnce) {
  LagControl control({});
  control.start(at_ms(0));
  ExecutionLag lag(Tick{0}, at_ms(0));
  double primary = 0, backup = 0, backlog_ms = 0;
  for (std::int64_t ms = 1; ms <= 600; ++ms) {
    const bool slowed = ms > 200;
    primary += kTicksPerMs * control.duty();
    grant(lag, primary, at_ms(ms));
    if (!slowed || ms % 20 < 2) backup = std::min(primary, backup + kTicksPerMs * 1.2);
    // It reports its tick at the end of a slice of ten milliseconds' work, its lag when it runs.
    if (!slowed || ms % 100 == 0)
      lag.on_executed(Tick{static_cast<std::uint64_t>(backup)}, at_ms(ms));
    if (ms % 10 == 0 && (!slowed || ms % 20 == 0)) {
      control.on_ack({}, lag.age_ms(at_ms(ms)), lag.cost_ms(at_ms(ms)), at_ms(ms));
    }
    backlog_ms = std::max(backlog_ms, (primary - backup) / kTicksPerMs);
  }
  EXPECT_LT(backlog_ms, 90) << "worth of the primary's work";
  EXPECT_LT(control.duty(), 0.05);
}

TEST(LagControl, LeavesABackupThatKeepsUpAlone) {
  const Outcome outcome = simulate({.slower = 0.9, .jitter_percent = 10});
  EXPECT_LT(outcome.lag_p95, 100);
  EXPECT_EQ(outcome.duty_min_late, 1);
}

TEST(LagControl, WavesFarBelowTheTargetSlowNobody) {
  Prng rng(3);
  LagControl control({});
  control.start(at_ms(0));
  for (std::int64_t ms = 10; ms <= 60'000; ms += 10) {
    const auto lag_ms = static_cast<double>(rng.below(50));
    EXPECT_EQ(control.on_ack({}, lag_ms, lag_ms, at_ms(ms)), 1);
  }
}

TEST(LagControl, ASlowNetworkIsNoSlowBackup) {
  const Outcome outcome = simulate({.slower = 0.9, .delay_ms = 500});
  EXPECT_EQ(outcome.duty_min_late, 1);
}

TEST(LagControl, ASlowBackupBehindASlowNetworkIsSlowedWithoutSwinging) {
  const Outcome outcome = simulate({.slower = 10, .delay_ms = 500, .run_ms = 120'000});
  EXPECT_LT(outcome.lag_max_late, 300);
  EXPECT_NEAR(outcome.duty_min_late, 0.1, 0.03);
  EXPECT_NEAR(outcome.duty_max_late, 0.1, 0.03);
}

/// Steps are small when answers come late; the primary of a backup that has long been level again
/// must not pay for that.
TEST(LagControl, AHiccupBehindASlowNetworkIsForgottenSoon) {
  for (const std::int64_t delay_ms : {1, 100, 500}) {
    const Outcome outcome = simulate({.slower = 0.7, .delay_ms = delay_ms, .hiccup_ms = 600});
    EXPECT_GT(outcome.duty_min_late, 0.95) << delay_ms;
  }
}

TEST(LagControl, StepsAreSmallAndUpwardOnesSmaller) {
  LagControl control({});
  control.start(at_ms(0));
  double before = control.duty();
  for (std::int64_t ms = 10; ms <= 10'000; ms += 10) {
    // Far behind for two seconds, then suddenly level.
    const double lag_ms = ms < 2'000 ? static_cast<double>(ms) : 0;
    const double after = control.on_ack({}, lag_ms, 10 * lag_ms, at_ms(ms));
    const double down = 10 * lag_ms > 200 ? LagControl::kStepDownFar : LagControl::kStepDown;
    EXPECT_GE(after, before * (1 - down) * 0.999);
    EXPECT_LE(after, before * (1 + LagControl::kStepUp) * 1.001);
    EXPECT_GE(after, 0.02);
    EXPECT_LE(after, 1);
    before = after;
  }
  EXPECT_EQ(control.duty(), 1) << "restored in the end";
}

TEST(LagControl, SteersByTheCostButDoesNotBelieveAnyCost) {
  LagControl control({});
  control.start(at_ms(0));
  control.on_ack({}, 30, 45, at_ms(100));
  EXPECT_DOUBLE_EQ(control.measures().execution_lag_ms, 30);
  EXPECT_DOUBLE_EQ(control.measures().predicted_lag_ms, 45);
  control.on_ack({}, 30, 10'000, at_ms(110));
  EXPECT_DOUBLE_EQ(control.measures().predicted_lag_ms, 300);
  control.on_ack({}, 30, 0, at_ms(120));
  EXPECT_DOUBLE_EQ(control.measures().predicted_lag_ms, 30);
}

TEST(LagControl, MeasuresSendToAck) {
  LagControl control({});
  control.start(at_ms(0));
  control.on_sent({10}, at_ms(5));
  control.on_sent({20}, at_ms(7));
  control.on_ack({10}, 0, 0, at_ms(9));
  EXPECT_DOUBLE_EQ(control.measures().send_to_ack_ms, 4);
  control.on_ack({19}, 0, 0, at_ms(30));
  EXPECT_DOUBLE_EQ(control.measures().send_to_ack_ms, 4) << "20 is not there yet";
  control.on_ack({25}, 0, 0, at_ms(31));
  EXPECT_DOUBLE_EQ(control.measures().send_to_ack_ms, 24);
  EXPECT_DOUBLE_EQ(control.measures().send_to_ack_ms_max, 24);
}

TEST(LagControl, WhatIsInFlightIsBounded) {
  LagControl control({});
  control.start(at_ms(0));
  for (std::uint64_t seq = 1; seq <= 100'000; ++seq) control.on_sent({seq}, at_ms(1));
  control.on_ack({100'000}, 0, 0, at_ms(3));
  EXPECT_DOUBLE_EQ(control.measures().send_to_ack_ms, 2);
}

}  // namespace
}  // namespace ftvm::ftcore
