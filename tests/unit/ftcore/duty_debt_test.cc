// The debt of a slowed vCPU: sleeps that are worth it, and a duty that is kept.
#include "ftcore/node/duty_debt.h"

#include <gtest/gtest.h>

namespace ftvm::ftcore {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using Duration = DutyDebt::Duration;

TEST(DutyDebt, IsNothingAtFullDuty) {
  DutyDebt debt;
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(debt.ran(milliseconds(10), 1), Duration::zero());
}

TEST(DutyDebt, GathersUntilASleepIsWorthIt) {
  DutyDebt debt;
  EXPECT_EQ(debt.ran(milliseconds(1), 0.5), milliseconds(1));
  debt.slept(milliseconds(1));
  // 9 ms of running at 0.9 owe 1 ms.
  for (int i = 0; i < 8; ++i) EXPECT_EQ(debt.ran(milliseconds(1), 0.9), Duration::zero());
  EXPECT_GE(debt.ran(milliseconds(1) + microseconds(1), 0.9), DutyDebt::kShortest);
}

TEST(DutyDebt, AHostThatOversleepsStillGivesTheDuty) {
  DutyDebt debt;
  Duration ran{}, slept{};
  for (int i = 0; i < 100'000; ++i) {
    ran += microseconds(500);
    const Duration sleep = debt.ran(microseconds(500), 0.99);
    if (sleep == Duration::zero()) continue;
    debt.slept(sleep + microseconds(60));
    slept += sleep + microseconds(60);
  }
  const double duty = static_cast<double>(ran.count()) / static_cast<double>((ran + slept).count());
  EXPECT_NEAR(duty, 0.99, 0.0005);
}

TEST(DutyDebt, NoSleepComesNearADetectionTime) {
  DutyDebt debt;
  EXPECT_EQ(debt.ran(std::chrono::seconds(10), 0.1), DutyDebt::kLongest);
}

TEST(DutyDebt, IsForgivenToAGuestThatSlept) {
  DutyDebt debt;
  EXPECT_EQ(debt.ran(microseconds(900), 0.5), Duration::zero());
  debt.forgive();
  EXPECT_EQ(debt.ran(microseconds(900), 0.5), Duration::zero());
}

}  // namespace
}  // namespace ftvm::ftcore
