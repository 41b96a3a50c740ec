// The primary's own time at a tick, from what its grants say.
#include "ftcore/protocol/primary_time.h"

#include <gtest/gtest.h>

namespace ftvm::ftcore {
namespace {

/// 10 ms for the first hundred ticks, 2 ms for the next.
PrimaryTime marked_twice() {
  PrimaryTime time(Tick{100});
  time.on_mark({200}, 10'000);
  time.on_mark({300}, 12'000);
  return time;
}

TEST(PrimaryTime, IsEvenBetweenTwoMarksAndKnowsNothingBeyondTheLast) {
  const PrimaryTime time = marked_twice();
  EXPECT_EQ(time.ms_at({100}), 0);
  EXPECT_DOUBLE_EQ(time.ms_at({150}), 5);
  EXPECT_DOUBLE_EQ(time.ms_at({200}), 10);
  EXPECT_DOUBLE_EQ(time.ms_at({275}), 11.5);
  EXPECT_DOUBLE_EQ(time.ms_at({1'000}), 12);
  EXPECT_EQ(time.tick(), Tick{300});
  EXPECT_EQ(time.ran_us(), 12'000u);
}

TEST(PrimaryTime, SaysHowFarOneBetweenTwoMarksMayHaveCome) {
  const PrimaryTime time = marked_twice();
  EXPECT_DOUBLE_EQ(time.ms_beyond({100}), 10);
  EXPECT_DOUBLE_EQ(time.ms_beyond({199}), 10);
  EXPECT_DOUBLE_EQ(time.ms_beyond({200}), 12);
  EXPECT_DOUBLE_EQ(time.ms_beyond({300}), 12);
}

TEST(PrimaryTime, ASecondMarkAtOneTickCounts) {
  PrimaryTime time(Tick{0});
  time.on_mark({0}, 3'000);
  EXPECT_DOUBLE_EQ(time.ms_at({0}), 3);
}

TEST(PrimaryTime, ForgetsNothingThatIsStillAskedFor) {
  PrimaryTime time(Tick{0});
  for (std::uint64_t i = 1; i <= 100; ++i) time.on_mark({i * 10}, i * 1'000);
  time.forget_before({505});
  EXPECT_DOUBLE_EQ(time.ms_at({505}), 50.5);
  EXPECT_DOUBLE_EQ(time.ms_at({1'000}), 100);
  EXPECT_DEATH((void)time.ms_at({499}), "begin");
}

TEST(PrimaryTime, FarBehindOnlyTheWholeIsKnown) {
  PrimaryTime time(Tick{0});
  for (std::uint64_t i = 1; i <= 10'000; ++i) time.on_mark({i * 10}, i * 1'000);
  EXPECT_DOUBLE_EQ(time.ms_at({1'000}), 100);
  EXPECT_DOUBLE_EQ(time.ms_at({100'000}), 10'000);
}

}  // namespace
}  // namespace ftvm::ftcore
