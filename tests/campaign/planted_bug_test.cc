// A campaign that found nothing is worth what it would have found: each planted bug, within ten
// thousand runs of the standard plan. The seeds it takes are printed; they are a figure to watch.
#include <gtest/gtest.h>

#include <iostream>
#include <string>

#include "ftcore/campaign/isolated.h"
#include "tests/campaign/campaign_fixture.h"

namespace ftvm::ftcore::campaign {
namespace {

constexpr std::uint64_t kSeedMax = 10'000;
constexpr std::uint64_t kMachineSeedMax = 100;  // Each a tenth of a second.

/// Up to the first failure; in a process of its own, because some bugs do not get past the
/// product's assertions.
Failure first_failure(const Plan& plan, const Guests& guests, std::uint64_t seed_max) {
  const Result<Isolated::Ended> ended = run_isolated([&](IsolatedProgress& progress) {
    Tally tally;
    for (std::uint64_t seed = 1; seed <= seed_max && tally.failures.empty(); ++seed) {
      progress.seed = seed;
      tally.add(execute_seed(plan, seed, guests));
    }
    return tally;
  });
  EXPECT_TRUE(ended.has_value());
  if (!ended) return {};
  if (!ended->tally) return {ended->seed, std::string(kAssertionRule), ended->died};
  return ended->tally->failures.empty() ? Failure{} : ended->tally->failures.front();
}

void find(const Plan& plan, const Guests& guests, std::uint64_t seed_max) {
  const Failure failure = first_failure(plan, guests, seed_max);
  EXPECT_NE(failure.seed, 0u) << sim::plant_name(plan.plant);
  std::cout << sim::plant_name(plan.plant) << ": seed " << failure.seed << ", " << failure.rule
            << ": " << failure.what << "\n";
}

bool of_machine(sim::Plant plant) {
  return sim::bug_of_machine(plant) != PlantedBug::kNone;
}

TEST(PlantedBug, EachIsFound) {
  if (!sim::kPlantsCompiledIn) GTEST_SKIP() << "needs a build with FTVM_TEST_POINTS";
  Plan plan;
  const Guests guests = test::guests_of(plan.guests);
  for (std::size_t i = 1; i < sim::kPlantNames.size(); ++i) {
    plan.plant = static_cast<sim::Plant>(i);
    if (!of_machine(plan.plant)) find(plan, guests, kSeedMax);
  }
}

TEST(PlantedBug, EachOfTheMachineIsFound) {
  if (!sim::kPlantsCompiledIn) GTEST_SKIP() << "needs a build with FTVM_TEST_POINTS";
  Plan plan;
  plan.guests = {std::string(FTVM_GUEST_IMAGE_DIR) + "/blend.bin"};
  const Guests guests = test::guests_of(plan.guests);
  std::size_t found = 0;
  for (std::size_t i = 1; i < sim::kPlantNames.size(); ++i) {
    plan.plant = static_cast<sim::Plant>(i);
    if (!of_machine(plan.plant)) continue;
    find(plan, guests, kMachineSeedMax);
    ++found;
  }
  EXPECT_EQ(found, 3u);
}

}  // namespace
}  // namespace ftvm::ftcore::campaign
