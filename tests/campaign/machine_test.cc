// The real machine in the simulator: guests of the corpus as pairs under seeded faults.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "ftcore/sim/swarm.h"
#include "ftcore/sim/threaded_guest.h"
#include "tests/guest/guest_machine.h"

namespace ftvm::ftcore::sim {
namespace {

using test::GuestMachine;

std::unique_ptr<SimGuest> machine_of(const Bytes& image) {
  return std::make_unique<ThreadedGuest>([&image](World& world) -> SimGuest::Ended {
    GuestMachine machine({.grid_ticks = 65'536}, image);
    const RunResult result = machine.run(world);
    return {result.reason, result.at, result.state};
  });
}

TEST(SimMachine, NoSeedBreaksARule) {
  const Bytes image = test::guest_image("endless");
  std::uint64_t failovers = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const Cluster::Options options = drawn_pair(seed);
    const Cluster::Outcome outcome =
        Cluster(options, [&](Side) { return machine_of(image); }).run();
    ASSERT_TRUE(outcome.violations.empty()) << story(options, outcome);
    failovers += outcome.failed_over ? 1 : 0;
  }
  EXPECT_GT(failovers, 20u);
}

TEST(SimMachine, TheSameSeedIsTheSameRun) {
  const Bytes image = test::guest_image("endless");
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const auto digest = [&] {
      return Cluster(drawn_pair(seed), [&](Side) { return machine_of(image); }).run().digest;
    };
    EXPECT_EQ(digest(), digest()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ftvm::ftcore::sim
