// Blocks, shards, processes: what is done in which order and by how many changes nothing.
#include "ftcore/campaign/runner.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "emulator/base/assert.h"
#include "tests/campaign/campaign_fixture.h"

namespace ftvm::ftcore::campaign {
namespace {

Plan small(std::uint64_t runs) {
  Plan plan;
  plan.runs = runs;
  return plan;
}

/// Several blocks, of some runs each.
constexpr std::uint64_t kBlock = 100;

Tally total(const Plan& plan, const Guests& guests, Runner::Options options) {
  options.block_runs = kBlock;
  Runner runner(plan, guests, options);
  const Status ran = runner.run({});
  EXPECT_TRUE(ran.has_value()) << ran.error().message();
  EXPECT_TRUE(runner.complete());
  return runner.total();
}

TEST(Runner, ManyJobsDoWhatOneDoes) {
  const Plan plan = small(250);
  const Guests guests = test::guests_of(plan.guests);
  const Tally one = total(plan, guests, {.jobs = 1});
  const Tally many = total(plan, guests, {.jobs = 3});
  EXPECT_EQ(one.runs, 250u);
  EXPECT_EQ(one.digest, many.digest);
  EXPECT_EQ(one.silences, many.silences);
  EXPECT_EQ(one.marks, many.marks);
  EXPECT_EQ(one.met, many.met);
}

TEST(Runner, ShardsAreThePartsOfTheWhole) {
  const Plan plan = small(401);
  const Guests guests = test::guests_of(plan.guests);
  const Tally whole = total(plan, guests, {.jobs = 2});
  std::uint64_t runs = 0, failovers = 0;
  std::map<std::int64_t, std::uint64_t> silences;
  for (std::uint64_t index = 1; index <= 3; ++index) {
    const Tally part = total(plan, guests, {.jobs = 2, .shard = {index, 3}});
    runs += part.runs;
    failovers += part.failovers;
    for (const auto& [step, count] : part.silences) silences[step] += count;
  }
  EXPECT_EQ(runs, whole.runs);
  EXPECT_EQ(failovers, whole.failovers);
  EXPECT_EQ(silences, whole.silences);
}

TEST(Runner, GoesOnFromWhatIsDone) {
  const Plan plan = small(300);
  const Guests guests = test::guests_of(plan.guests);
  std::map<std::uint64_t, Tally> done;
  Runner first(plan, guests, {.jobs = 1, .block_runs = kBlock});
  const Runner::Hooks hooks{.done =
                                [&](std::uint64_t block, const Tally& tally) {
                                  done[block] = tally;
                                  return Status{};
                                },
                            .stop = [&] { return !done.empty(); }};
  EXPECT_TRUE(first.run(hooks).has_value());
  EXPECT_FALSE(first.complete());
  EXPECT_EQ(done.size(), 1u);

  Runner second(plan, guests, {.jobs = 2, .block_runs = kBlock});
  second.already_done(0, done[0]);
  std::uint64_t again = 0;
  EXPECT_TRUE(second
                  .run({.done =
                            [&](std::uint64_t block, const Tally&) {
                              again += block == 0 ? 1 : 0;
                              return Status{};
                            }})
                  .has_value());
  EXPECT_EQ(again, 0u);
  EXPECT_EQ(second.total().digest, total(plan, guests, {.jobs = 2}).digest);
}

TEST(Runner, ABudgetThatIsSpentBeginsNothing) {
  const Plan plan = small(300);
  const Guests guests = test::guests_of(plan.guests);
  Runner runner(plan, guests, {.jobs = 2, .block_runs = kBlock, .budget_ms = 0});
  EXPECT_TRUE(runner.run({}).has_value());
  EXPECT_EQ(runner.total().runs, 0u);
}

TEST(Runner, AnErrorOfAHookEndsIt) {
  const Plan plan = small(300);
  const Guests guests = test::guests_of(plan.guests);
  Runner runner(plan, guests, {.jobs = 2, .block_runs = kBlock});
  const Status ran = runner.run({.done = [](std::uint64_t, const Tally&) -> Status {
    return Error(ErrorCode::kNoSpace, "full");
  }});
  ASSERT_FALSE(ran.has_value());
  EXPECT_EQ(ran.error().code(), ErrorCode::kNoSpace);
}

TEST(Runner, StopsWhereFailuresAreEnough) {
  if (!sim::kPlantsCompiledIn) GTEST_SKIP() << "needs a build with FTVM_TEST_POINTS";
  Plan plan = small(5'000);
  plan.plant = sim::Plant::kReleaseEarly;
  const Guests guests = test::guests_of(plan.guests);
  Runner runner(plan, guests, {.jobs = 2, .block_runs = kBlock, .failures_max = 1});
  EXPECT_TRUE(runner.run({}).has_value());
  EXPECT_GE(runner.total().failures.size(), 1u);
  EXPECT_LT(runner.total().runs, 1'000u);
}

TEST(Isolated, ADeadProcessSaysAtWhichRunAndWhy) {
  const Result<Isolated::Ended> ended = run_isolated([](IsolatedProgress& progress) -> Tally {
    progress.seed = 4'711;
    FTVM_ASSERT(progress.runs == 1);
    return {};
  });
  ASSERT_TRUE(ended.has_value());
  EXPECT_FALSE(ended->tally.has_value());
  EXPECT_EQ(ended->seed, 4'711u);
  EXPECT_EQ(ended->died, "assertion failed: progress.runs == 1");
}

TEST(Isolated, IsKilledWithItsObject) {
  const auto begun = Isolated::start([](IsolatedProgress& progress) -> Tally {
    for (;;) progress.runs += 1;
  });
  ASSERT_TRUE(begun.has_value());
}

TEST(Isolated, WhatDoesNotEndIsKilledAndSaysSo) {
  auto begun = Isolated::start([](IsolatedProgress& progress) -> Tally {
    for (;;) progress.runs += 1;
  });
  ASSERT_TRUE(begun.has_value());
  (*begun)->kill();
  while (!(*begun)->read_some()) {
  }
  EXPECT_EQ((*begun)->ended().died, "Killed");
}

/// An hour of virtual time is no endless loop, but more than anybody waits here.
TEST(Runner, ARunThatTakesTooLongHasFailedAndTheOthersAreDone) {
  Plan plan = small(2);
  plan.guests = {std::string(kToyGuest)};
  plan.pair.run_ms = only(3'600'000);
  plan.faults.clear();
  const Guests guests = test::guests_of(plan.guests);
  Runner runner(plan, guests, {.jobs = 1, .run_ms_max = 50});
  EXPECT_TRUE(runner.run({}).has_value());
  const Tally tally = runner.total();
  EXPECT_EQ(tally.runs, 2u);
  const std::string what = "did not end in 50 ms";
  const std::vector<Failure> expected{{1, std::string(kEndsRule), what},
                                      {2, std::string(kEndsRule), what}};
  EXPECT_EQ(tally.failures, expected);
}

}  // namespace
}  // namespace ftvm::ftcore::campaign
