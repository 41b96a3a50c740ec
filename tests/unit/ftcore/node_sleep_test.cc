// What the node thread is told while it sleeps, and what it is not.
#include "ftcore/node/node_sleep.h"

#include <gtest/gtest.h>

namespace ftvm::ftcore {
namespace {

constexpr HostTime at_us(std::int64_t us) {
  return {us * 1000};
}
constexpr bool kNothing = false, kSomething = true;

TEST(NodeSleep, LastsWholeMillisecondsAndIsNeverBusy) {
  NodeSleep sleep;
  EXPECT_EQ(sleep.begins(at_us(5'000), at_us(1'000)), 4);
  EXPECT_EQ(sleep.begins(at_us(5'300), at_us(1'000)), 5);
  EXPECT_EQ(sleep.begins(at_us(1'000), at_us(1'000)), 1);
  EXPECT_EQ(sleep.begins(at_us(500), at_us(1'000)), 1) << "overdue";
}

TEST(NodeSleep, IsNotBrokenForWhatItWakesForAnyway) {
  NodeSleep sleep;
  sleep.begins(at_us(5'300), at_us(1'000));  // Until 6'000.
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(sleep.must_be_told(kNothing, at_us(5'300)));
  EXPECT_FALSE(sleep.must_be_told(kNothing, at_us(5'400)));
}

TEST(NodeSleep, IsBrokenOnceForWhatIsDueEarlierOrToBeDone) {
  NodeSleep sleep;
  sleep.begins(at_us(5'300), at_us(1'000));
  EXPECT_TRUE(sleep.must_be_told(kNothing, at_us(5'200)));
  EXPECT_FALSE(sleep.must_be_told(kSomething, at_us(5'100))) << "it has been told";
  sleep.begins(at_us(5'300), at_us(1'000));
  EXPECT_TRUE(sleep.must_be_told(kSomething, at_us(5'300)));
}

TEST(NodeSleep, WhoIsAwakeIsToldNothing) {
  NodeSleep sleep;
  sleep.begins(at_us(5'000), at_us(1'000));
  sleep.ends();
  EXPECT_FALSE(sleep.must_be_told(kSomething, at_us(0)));
  sleep.begins(at_us(5'000), at_us(1'000));
  EXPECT_TRUE(sleep.must_be_told(kSomething, at_us(5'000))) << "asleep again";
}

TEST(NodeSleep, BeforeTheFirstEverythingIsTold) {
  NodeSleep sleep;
  EXPECT_TRUE(sleep.must_be_told(kNothing, at_us(1)));
}

}  // namespace
}  // namespace ftvm::ftcore
