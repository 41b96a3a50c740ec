// A shrunk run fails as the first one did, is the same each time, and has nothing to spare.
#include "ftcore/campaign/shrink.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ftcore/campaign/campaign.h"
#include "tests/campaign/campaign_fixture.h"

namespace ftvm::ftcore::campaign {
namespace {

using sim::Fault;
using sim::FaultKind;
using sim::Moment;

PairRun run_of(std::vector<Fault> faults) {
  PairRun run = draw_run(Plan{}, 5);
  run.options.plan = std::move(faults);
  return run;
}

const Failure kFailure{5, "progress", "nobody serves"};

TEST(Shrink, KeepsTheFaultThatMattersAtTheFirstPlaceThatDoes) {
  const PairRun run = run_of({{.kind = FaultKind::kPause, .after_us = 70'000, .for_us = 5},
                              {.kind = FaultKind::kLoseHost, .moment = Moment::kLeft, .number = 77},
                              {.kind = FaultKind::kSlow, .after_us = 3'000, .for_us = 900}});
  const Shrunk shrunk = shrink(run, kFailure, [](const PairRun& tried) -> std::optional<Failure> {
    for (const Fault& fault : tried.options.plan) {
      if (fault.moment == Moment::kLeft && fault.number >= 13) return kFailure;
    }
    return std::nullopt;
  });
  const Fault expected{.kind = FaultKind::kKill, .moment = Moment::kLeft, .number = 13};
  EXPECT_EQ(shrunk.run.options.plan, std::vector<Fault>{expected});
  EXPECT_EQ(shrunk.run.options.run_us, 1'000);
  EXPECT_TRUE(shrunk.minimal);
}

TEST(Shrink, DoesNotSlipIntoAnotherRule) {
  const PairRun run = run_of({{.kind = FaultKind::kKill}, {.kind = FaultKind::kStop, .for_us = 8}});
  const Shrunk shrunk = shrink(run, kFailure, [](const PairRun& tried) -> std::optional<Failure> {
    if (tried.options.plan.size() == 2) return kFailure;
    return Failure{5, "replay", "something else"};
  });
  EXPECT_EQ(shrunk.run.options.plan.size(), 2u);
  EXPECT_EQ(shrunk.failure.rule, "progress");
}

TEST(Shrink, StopsWhenItHasTriedEnough) {
  const PairRun run =
      run_of({{.kind = FaultKind::kKill, .moment = Moment::kTick, .number = 99'999}});
  std::size_t tries = 0;
  const Shrunk shrunk = shrink(
      run, kFailure,
      [&](const PairRun&) -> std::optional<Failure> {
        ++tries;
        return kFailure;
      },
      3);
  EXPECT_EQ(tries, 3u);
  EXPECT_FALSE(shrunk.minimal);
}

/// Of a planted bug, by what really runs.
class ShrinkPlanted : public ::testing::TestWithParam<sim::Plant> {};

TEST_P(ShrinkPlanted, IsMinimalAndTheSameEachTime) {
  if (!sim::kPlantsCompiledIn) GTEST_SKIP() << "needs a build with FTVM_TEST_POINTS";
  Plan plan;
  plan.plant = GetParam();
  const Guests guests = test::guests_of(plan.guests);
  const TryRun try_run = [&](const PairRun& run) -> std::optional<Failure> {
    const Result<Tally> tally = run_alone(run, guests);
    if (!tally || tally->failures.empty()) return std::nullopt;
    return tally->failures.front();
  };
  // A run with more than it needs.
  std::optional<Failure> failure;
  PairRun run;
  for (std::uint64_t seed = 1; !failure || run.options.plan.size() < 2; ++seed) {
    ASSERT_LT(seed, 5'000u);
    run = draw_run(plan, seed);
    if (run.options.plan.size() >= 2) failure = try_run(run);
  }
  const Shrunk shrunk = shrink(run, *failure, try_run);
  ASSERT_TRUE(shrunk.minimal);
  EXPECT_LE(shrunk.run.options.plan.size(), run.options.plan.size());
  for (std::size_t i = 0; i < shrunk.run.options.plan.size(); ++i) {
    PairRun less = shrunk.run;
    less.options.plan.erase(less.options.plan.begin() + static_cast<std::ptrdiff_t>(i));
    const std::optional<Failure> other = try_run(less);
    EXPECT_TRUE(!other || other->rule != failure->rule) << i;
  }
  EXPECT_EQ(exact_plan(shrink(run, *failure, try_run).run), exact_plan(shrunk.run));
  // What is written down fails in the same way.
  const std::optional<Failure> written =
      try_run(draw_run(exact_plan(shrunk.run), run.options.seed));
  ASSERT_TRUE(written.has_value());
  EXPECT_EQ(*written, shrunk.failure);
}

INSTANTIATE_TEST_SUITE_P(All, ShrinkPlanted,
                         ::testing::Values(sim::Plant::kReleaseEarly, sim::Plant::kTwoWinners,
                                           sim::Plant::kForgetReissue, sim::Plant::kEpochStays,
                                           sim::Plant::kSkipDrain));

}  // namespace
}  // namespace ftvm::ftcore::campaign
