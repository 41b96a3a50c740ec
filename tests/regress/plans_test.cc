// Runs that once broke a rule, as they were shrunk. A campaign that finds one leaves it here.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/campaign/campaign_fixture.h"
#include "tests/cli/run_ftvm.h"

namespace ftvm::ftcore::campaign {
namespace {

namespace fs = std::filesystem;

TEST(Plans, WhatOnceBrokeARuleBreaksNoneAnyMore) {
  std::size_t found = 0;
  for (const auto& entry : fs::directory_iterator(FTVM_TEST_SOURCE_DIR "/tests/regress/plans")) {
    ++found;
    const std::string path = entry.path().string();
    const Result<Plan> plan = parse_plan(ftvm::test::text_of(path), path);
    ASSERT_TRUE(plan.has_value()) << plan.error().message();
    const Guests guests = test::guests_of(plan->guests);
    const PairRun run = draw_run(*plan, plan->seed);
    const Verdict verdict = execute(run, guests);
    EXPECT_FALSE(verdict.failure.has_value()) << path << "\n" << test::story(run, verdict);
  }
  EXPECT_GT(found, 0u);
}

}  // namespace
}  // namespace ftvm::ftcore::campaign
