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

/// Every millisecond may run 1000 ticks more.
ExecutionLag granted_until(std::int64_t ms) {
  ExecutionLag lag(Tick{0}, at_ms(0));
  for (std::int64_t at = 1; at <= ms; ++at) lag.on_limit(ticks(at), at_ms(at));
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
  lag.on_limit(ticks(20), at_ms(5'000));
  EXPECT_NEAR(lag.age_ms(at_ms(5'001)), 1, 0.1) << "since it had something to do";
}

TEST(ExecutionLag, CostIsTheBacklogAtTheSpeedShown) {
  ExecutionLag lag = granted_until(100);
  for (std::int64_t ms = 101; ms <= 200; ++ms) {
    lag.on_executed(Tick{static_cast<std::uint64_t>(ms - 100) * 100}, at_ms(ms));
  }
  EXPECT_NEAR(lag.cost_ms(at_ms(200)), 900, 150) << "90,000 ticks at about 100 a millisecond";
}

TEST(ExecutionLag, WaitingDoesNotCountAsSlow) {
  ExecutionLag lag(Tick{0}, at_ms(0));
  for (std::int64_t ms = 1; ms < 1'000; ++ms) {  // At once, then idle to the next millisecond.
    lag.on_limit(ticks(ms), at_ms(ms));
    lag.on_executed(ticks(ms), {at_ms(ms).ns + kNsPerMs / 100});
  }
  lag.on_limit(ticks(1'000), at_ms(1'000));
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
    lag.on_limit(ticks(ms + backlog_ms), at_ms(ms));
    lag.on_executed(ticks(ms), at_ms(ms));
  }
  return lag;
}

TEST(ExecutionLag, OneThatSaysNothingIsSlowBeforeItSpeaks) {
  const ExecutionLag lag = level_until_105(50);
  EXPECT_NEAR(lag.cost_ms(at_ms(105)), 50, 5);
  EXPECT_NEAR(lag.cost_ms(at_ms(140)), 50, 5) << "a thread that the host stopped";
  EXPECT_GT(lag.cost_ms(at_ms(150)), 250);
  EXPECT_GT(lag.cost_ms(at_ms(205)), 2'000);
}

TEST(ExecutionLag, OneThatSpeaksSeldomIsBelievedWhatItShows) {
  ExecutionLag lag = level_until_105(200);
  lag.on_executed(ticks(115), at_ms(205));  // A tenth of its speed, said once.
  EXPECT_NEAR(lag.cost_ms(at_ms(205)), 1'850, 200) << "190,000 ticks at about 100 a millisecond";
}

TEST(ExecutionLag, RemembersABoundedPastAndStillKnowsThatItIsFarBehind) {
  ExecutionLag lag = granted_until(60'000);
  EXPECT_GT(lag.age_ms(at_ms(60'000)), 59'000);
  lag.on_executed(ticks(30'000), at_ms(60'000));
  EXPECT_GT(lag.age_ms(at_ms(60'000)), 2'000);
}

}  // namespace
}  // namespace ftvm::ftcore
