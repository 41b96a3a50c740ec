// Thousands of pairs with a character, each broken in its own way: the oracle has nothing to say.
#include "ftcore/sim/swarm.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>
#include <string>

#include "emulator/base/diag.h"

namespace ftvm::ftcore::sim {
namespace {

TEST(Swarm, NoSeedBreaksARule) {
  std::uint64_t failovers = 0, lost = 0;
  for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
    const Cluster::Options options = drawn_pair(seed);
    const Cluster::Outcome outcome = run_toy(options);
    ASSERT_TRUE(outcome.violations.empty()) << story(options, outcome);
    failovers += outcome.failed_over ? 1 : 0;
    lost += outcome.machine_lost ? 1 : 0;
  }
  EXPECT_GT(failovers, 1'000u);
  EXPECT_LT(lost, 300u);
}

TEST(Swarm, TheSameSeedIsTheSameRun) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const Cluster::Outcome one = run_toy(drawn_pair(seed));
    const Cluster::Outcome two = run_toy(drawn_pair(seed));
    EXPECT_EQ(one.digest, two.digest) << "seed " << seed;
    EXPECT_EQ(one.events, two.events) << "seed " << seed;
  }
}

struct Found {
  std::uint64_t seed = 0;  // 0 is never.
  std::string by;          // A rule, or the product's own assertion.
};

/// In a process of its own, because some bugs do not get past the product's assertions.
Found find(Plant plant, std::uint64_t seed_max) {
  int pipe_ends[2];
  EXPECT_EQ(::pipe(pipe_ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    diag_configure(-1, DiagLevel::kError, "");
    ::close(STDERR_FILENO);
    for (std::uint64_t seed = 1; seed <= seed_max; ++seed) {
      std::uint64_t said[2] = {seed, 0};
      Cluster::Options options = drawn_pair(seed);
      options.plant = plant;
      if (::write(pipe_ends[1], said, sizeof said) != sizeof said) ::_exit(2);
      const Cluster::Outcome outcome = run_toy(options);
      if (outcome.violations.empty()) continue;
      said[1] = 1 + static_cast<std::uint64_t>(outcome.violations.front().rule);
      (void)!::write(pipe_ends[1], said, sizeof said);
      ::_exit(1);
    }
    ::_exit(0);
  }
  ::close(pipe_ends[1]);
  std::uint64_t said[2] = {0, 0};
  while (::read(pipe_ends[0], said, sizeof said) == sizeof said) {
  }
  ::close(pipe_ends[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status)) return {said[0], "assertion"};
  if (WEXITSTATUS(status) != 1) return {};
  return {said[0], std::string(rule_name(static_cast<Rule>(said[1] - 1)))};
}

TEST(Swarm, EachPlantedBugIsFound) {
  for (std::size_t i = 1; i < kPlantNames.size(); ++i) {
    const auto plant = static_cast<Plant>(i);
    const Found found = find(plant, 10'000);
    EXPECT_NE(found.seed, 0u) << plant_name(plant);
    std::cout << plant_name(plant) << ": " << found.by << " at seed " << found.seed << "\n";
  }
}

}  // namespace
}  // namespace ftvm::ftcore::sim
