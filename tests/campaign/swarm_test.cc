// Thousands of pairs with a character, each broken in its own way: the oracle has nothing to say.
#include <gtest/gtest.h>

#include "emulator/base/mark.h"
#include "tests/campaign/campaign_fixture.h"

namespace ftvm::ftcore::campaign {
namespace {

TEST(Swarm, NoSeedBreaksARule) {
  const Plan plan;
  const Guests guests = test::guests_of(plan.guests);
  Tally tally;
  for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
    const PairRun run = draw_run(plan, seed);
    const Verdict verdict = execute(run, guests);
    ASSERT_FALSE(verdict.failure.has_value()) << test::story(run, verdict);
    tally.add(verdict);
  }
  EXPECT_GT(tally.failovers, 1'000u);
  EXPECT_LT(tally.machines_lost, 300u);
}

TEST(Swarm, EveryKindOfFaultStrikes) {
  const Plan plan;
  const Guests guests = test::guests_of(plan.guests);
  Tally tally;
  for (std::uint64_t seed = 1; seed <= 1'000; ++seed) {
    tally.add(execute(draw_run(plan, seed), guests));
  }
  for (const FaultSpec& group : plan.faults) {
    for (const sim::FaultKind kind : group.kinds) {
      EXPECT_GT(tally.met[static_cast<std::size_t>(kind)], 0u) << sim::fault_name(kind);
    }
  }
}

TEST(Swarm, TheSameSeedIsTheSameRun) {
  const Plan plan;
  const Guests guests = test::guests_of(plan.guests);
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const Verdict one = execute(draw_run(plan, seed), guests);
    const Verdict two = execute(draw_run(plan, seed), guests);
    EXPECT_EQ(one.digest, two.digest) << "seed " << seed;
    EXPECT_EQ(one.events, two.events) << "seed " << seed;
  }
}

TEST(Swarm, AJumpOfAClockIsNotHeldAgainstTheOtherSide) {
  const Plan plan = test::plan_of(R"(
[pair]
detection_ms = 50
[[fault]]
kind = "clock_jump"
at = { after_us = 40_000 }
for_us = 1_000_000
)");
  const Guests guests = test::guests_of(plan.guests);
  const auto own_stops = [] { return mark_counts()["detector.own_stop"]; };
  const std::uint64_t before = own_stops();
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const PairRun run = draw_run(plan, seed);
    const Verdict verdict = execute(run, guests);
    EXPECT_FALSE(verdict.failure.has_value()) << test::story(run, verdict);
    EXPECT_FALSE(verdict.failed_over) << test::story(run, verdict);
  }
  EXPECT_GE(own_stops(), before + 10) << "the clock jumped";
}

TEST(Swarm, APairWhoseFirstWordsWereLostIsOneAfterAll) {
  const Plan plan = test::plan_of(R"(
[[fault]]
kind = "reset"
at = { after_us = 1 }
)");
  const Guests guests = test::guests_of(plan.guests);
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const PairRun run = draw_run(plan, seed);
    const Verdict verdict = execute(run, guests);
    EXPECT_FALSE(verdict.failure.has_value()) << test::story(run, verdict);
    EXPECT_FALSE(verdict.machine_lost) << test::story(run, verdict);
  }
}

}  // namespace
}  // namespace ftvm::ftcore::campaign
