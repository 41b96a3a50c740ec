// The real machine in the simulator: a guest of the corpus as a pair under seeded faults.
#include <gtest/gtest.h>

#include <string>

#include "tests/campaign/campaign_fixture.h"

namespace ftvm::ftcore::campaign {
namespace {

Plan corpus() {
  const std::string folder(FTVM_GUEST_IMAGE_DIR);
  Plan plan;
  plan.guests = {folder + "/endless.bin", folder + "/blend.bin"};
  return plan;
}

TEST(RealMachine, NoSeedBreaksARule) {
  const Plan plan = corpus();
  const Guests guests = test::guests_of(plan.guests);
  std::uint64_t failovers = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const PairRun run = draw_run(plan, seed);
    const Verdict verdict = execute(run, guests);
    ASSERT_FALSE(verdict.failure.has_value()) << test::story(run, verdict);
    failovers += verdict.failed_over ? 1 : 0;
  }
  EXPECT_GT(failovers, 20u);
}

TEST(RealMachine, TheSameSeedIsTheSameRun) {
  const Plan plan = corpus();
  const Guests guests = test::guests_of(plan.guests);
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    const auto digest = [&] { return execute(draw_run(plan, seed), guests).digest; };
    EXPECT_EQ(digest(), digest()) << "seed " << seed;
  }
}

TEST(RealMachine, AnImageThatDoesNotFitIsRefusedByItsPath) {
  const Result<Guests> guests = Guests::load({"/dev/null"});
  ASSERT_FALSE(guests.has_value());
  EXPECT_EQ(guests.error().code(), ErrorCode::kBadData);
  EXPECT_TRUE(guests.error().message().starts_with("/dev/null: ")) << guests.error().message();
}

}  // namespace
}  // namespace ftvm::ftcore::campaign
