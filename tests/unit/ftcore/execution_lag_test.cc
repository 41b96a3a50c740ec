// Age and cost of what a backup's machine has not executed yet.
#include "ftcore/protocol/execution_lag.h"

#include <gtest/gtest.h>

namespace ftvm::ftcore {
namespace {

constexpr HostTime at_ms(std::int64_t ms) {
  return {ms * kNsPerMs};
}
constexpr Tick ticks(std::int64_t ms) {
  return Tick{static_cast<std::uint64_t>(ms) * 1000};
}
/// A primary that runs 1000 ticks a millisecond came to `ms` of its time.
void grant(ExecutionLag& lag, std::int64_t ms, HostTime now) {
  lag.on_grant(ticks(ms), static_cast<std::uint64_t>(ms) * 1000, now);
}

/// Every millisecond may run 1000 ticks more.
ExecutionLag granted_until(std::int64_t ms) {
  ExecutionLag lag(Tick{0}, at_ms(0));
  for (std::int64_t at = 1; at <= ms; ++at) grant(lag, at, at_ms(at));
  return lag;
}

TEST(ExecutionLag, IsTheAgeOfTheOldestThatWasNotExecuted) {
  ExecutionLag lag = granted_until(100);
  EXPECT_NEAR(lag.age_ms(at_ms(100)), 99, 0.1) << "all of it, since the first grant";
  lag.on_executed(ticks(70), at_ms(100));
  EXPECT_NEAR(lag.age_ms(at_ms(100)), 30, 4);
  EXPECT_NEAR(lag.age_ms(at_ms(150)), 80, 4);
  lag.on_executed(ticks(100), at_ms(150));
  EXPECT_EQ(lag.age_ms(at_ms(150)), 0);
}

TEST(ExecutionLag, NothingToExecuteIsNoLagHoweverLongItLasts) {
  ExecutionLag lag = granted_until(10);
  lag.on_executed(ticks(10), at_ms(11));
  for (std::int64_t ms = 12; ms < 5'000; ++ms) lag.on_executed(ticks(10), at_ms(ms));
  EXPECT_EQ(lag.age_ms(at_ms(5'000)), 0);
  EXPECT_EQ(lag.cost_ms(at_ms(5'000)), 0);
  grant(lag, 20, at_ms(5'000));
  EXPECT_NEAR(lag.age_ms(at_ms(5'001)), 1, 0.1) << "since it had something to do";
}

TEST(ExecutionLag, CostIsTheBacklogAtTheSpeedShown) {
  ExecutionLag lag = granted_until(100);
  for (std::int64_t ms = 101; ms <= 500; ++ms) {
    lag.on_executed(Tick{static_cast<std::uint64_t>(ms - 100) * 100}, at_ms(ms));
  }
  EXPECT_NEAR(lag.cost_ms(at_ms(500)), 600, 30) << "60 ms of the primary's at a tenth of its speed";
}

TEST(ExecutionLag, WaitingDoesNotCountAsSlow) {
  ExecutionLag lag(Tick{0}, at_ms(0));
  for (std::int64_t ms = 1; ms < 1'000; ++ms) {  // At once, then idle to the next millisecond.
    grant(lag, ms, at_ms(ms));
    lag.on_executed(ticks(ms), {at_ms(ms).ns + kNsPerMs / 100});
  }
  grant(lag, 1'000, at_ms(1'000));
  EXPECT_LE(lag.cost_ms(at_ms(1'000)), 1);
}

TEST(ExecutionLag, AMachineThatStandsStillCostsMoreAndMoreButNotMoreThanAnHour) {
  ExecutionLag lag = granted_until(100);
  lag.on_executed(ticks(50), at_ms(110));
  const double before = lag.cost_ms(at_ms(110));
  for (std::int64_t ms = 111; ms < 60'000; ++ms) lag.on_executed(ticks(50), at_ms(ms));
  EXPECT_GT(lag.cost_ms(at_ms(60'000)), before);
  EXPECT_LE(lag.cost_ms(at_ms(60'000)), 3'600'000);
}

/// Runs at 1000 ticks a millisecond up to tick 105,000 at 105 ms, always `backlog_ms` behind.
ExecutionLag level_until_105(std::int64_t backlog_ms) {
  ExecutionLag lag(Tick{0}, at_ms(0));
  for (std::int64_t ms = 1; ms <= 105; ++ms) {
    grant(lag, ms + backlog_ms, at_ms(ms));
    lag.on_executed(ticks(ms), at_ms(ms));
  }
  return lag;
}

TEST(ExecutionLag, OneThatSaysNothingIsSlowBeforeItSpeaks) {
  const ExecutionLag lag = level_until_105(50);
  EXPECT_NEAR(lag.cost_ms(at_ms(105)), 50, 5);
  EXPECT_NEAR(lag.cost_ms(at_ms(140)), 50, 5) << "a thread that the host stopped";
  EXPECT_GT(lag.cost_ms(at_ms(150)), 65) << "it may be just before the next grant";
  EXPECT_GT(lag.cost_ms(at_ms(205)), 110);
  EXPECT_GT(lag.cost_ms(at_ms(605)), 2'000);
}

TEST(ExecutionLag, OneThatSpeaksSeldomIsBelievedWhatItShows) {
  ExecutionLag lag = level_until_105(200);
  lag.on_executed(ticks(115), at_ms(205));  // A tenth of its speed, said once.
  EXPECT_NEAR(lag.cost_ms(at_ms(205)), 430, 40) << "190 ms, but it was fast for long";
  lag.on_executed(ticks(135), at_ms(405));
  EXPECT_NEAR(lag.cost_ms(at_ms(405)), 1'170, 100) << "170 ms at about a seventh";
}

TEST(ExecutionLag, OneThatKeptUpIsNotSlowAnyMore) {
  ExecutionLag lag = level_until_105(0);
  grant(lag, 130, at_ms(105));
  for (std::int64_t ms = 106; ms <= 305; ++ms) {
    lag.on_executed(Tick{105'000 + static_cast<std::uint64_t>(ms - 105) * 100}, at_ms(ms));
  }
  EXPECT_GT(lag.cost_ms(at_ms(305)), 15) << "5 ms, at a fifth of the speed or less";
  lag.on_executed(ticks(130), at_ms(310));
  for (std::int64_t ms = 320; ms <= 500; ms += 10) {  // At once; too short to show a speed.
    grant(lag, ms - 180, at_ms(ms));
    lag.on_executed(ticks(ms - 180), {at_ms(ms).ns + kNsPerMs / 10});
  }
  grant(lag, 340, at_ms(500));
  EXPECT_LE(lag.cost_ms(at_ms(500)), 22);
}

TEST(ExecutionLag, KnowsWhatABacklogCostsHoweverLongItHadNone) {
  ExecutionLag lag(Tick{0}, at_ms(0));
  for (std::int64_t ms = 10; ms <= 20'000; ms += 10) {
    grant(lag, ms, at_ms(ms));
    lag.on_executed(ticks(ms), {at_ms(ms).ns + kNsPerMs / 10});
  }
  lag.on_grant({20'000'001}, 20'030'000, at_ms(20'001));  // A tick that took 30 ms,
  lag.on_grant({21'000'000}, 20'040'000, at_ms(20'002));  // and very many that took 10.
  EXPECT_NEAR(lag.cost_ms(at_ms(20'002)), 40, 4);
  lag.on_executed({20'000'001}, at_ms(20'003));
  EXPECT_NEAR(lag.cost_ms(at_ms(20'003)), 10, 1);
}

TEST(ExecutionLag, CodeThatIsSlowForThePrimaryTooIsNoSlowBackup) {
  ExecutionLag lag(Tick{0}, at_ms(0));
  std::uint64_t tick = 0;
  for (std::int64_t ms = 1; ms <= 200; ++ms) {  // New code: ten ticks a millisecond on both nodes.
    lag.on_grant({tick += 10}, static_cast<std::uint64_t>(ms) * 1000, at_ms(ms));
    if (ms > 20) lag.on_executed({tick - 200}, at_ms(ms));
  }
  for (std::int64_t ms = 201; ms <= 220; ++ms) {  // A loop: 100,000 of them.
    lag.on_grant({tick += 100'000}, static_cast<std::uint64_t>(ms) * 1000, at_ms(ms));
  }
  lag.on_executed({2'000}, at_ms(220));
  EXPECT_NEAR(lag.cost_ms(at_ms(220)), 22, 3);
}

TEST(ExecutionLag, WhatThePrimaryHasNotSaidTheTimeOfIsNotJudged) {
  ExecutionLag lag = level_until_105(50);
  lag.on_limit(ticks(400), at_ms(106));  // Records of an output; the grant comes later.
  for (std::int64_t ms = 106; ms <= 206; ++ms) lag.on_executed(ticks(ms + 100), at_ms(ms));
  EXPECT_EQ(lag.cost_ms(at_ms(206)), 0) << "nothing is known to be left";
  lag.on_grant(ticks(400), 400'000, at_ms(206));
  EXPECT_GE(lag.cost_ms(at_ms(206)), 47);
  EXPECT_LE(lag.cost_ms(at_ms(206)), 94) << "at least as fast as before";
}

TEST(ExecutionLag, OneInTheMiddleOfALongPieceMayBeAtItsEnd) {
  ExecutionLag lag = level_until_105(1);
  lag.on_executed(ticks(106), at_ms(106));
  grant(lag, 136, at_ms(106));
  grant(lag, 166, at_ms(106));
  EXPECT_LE(lag.cost_ms(at_ms(151)), 75) << "60 ms, and it came no farther than 30 in 45";
  EXPECT_GE(lag.cost_ms(at_ms(151)), 62);
}

TEST(ExecutionLag, AFastBackupIsNotBelievedToBeFastForLong) {
  ExecutionLag lag(Tick{0}, at_ms(0));
  for (std::int64_t ms = 1; ms <= 100; ++ms) {  // The guest slept; that takes no time here.
    lag.on_grant(ticks(ms * 50), static_cast<std::uint64_t>(ms) * 50'000, at_ms(ms));
    lag.on_executed(ticks(ms * 50 - 1), at_ms(ms));
  }
  grant(lag, 5'100, at_ms(100));
  EXPECT_GE(lag.cost_ms(at_ms(100)), 50) << "no more than twice the primary's speed";
}

TEST(ExecutionLag, RemembersABoundedPastAndStillKnowsThatItIsFarBehind) {
  ExecutionLag lag = granted_until(60'000);
  EXPECT_GT(lag.age_ms(at_ms(60'000)), 59'000);
  lag.on_executed(ticks(30'000), at_ms(60'000));
  EXPECT_GT(lag.age_ms(at_ms(60'000)), 2'000);
}

}  // namespace
}  // namespace ftvm::ftcore
