// What a failed assertion leaves behind.
#include "emulator/base/assert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "emulator/base/diag.h"

namespace ftvm {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(AssertDeathTest, SaysWhatFailedAndWhereTheRunWas) {
  assert_context() = {.tick = 123456789012, .seq = 77, .epoch = 3, .seed = 42};
  const int answer = 41;
  EXPECT_DEATH(FTVM_ASSERT(answer == 42),
               AllOf(HasSubstr("assertion failed: answer == 42"), HasSubstr("assert_test.cc:"),
                     HasSubstr("tick 123456789012 seq 77 epoch 3 seed 42")));
  assert_context() = {};
}

TEST(AssertDeathTest, ShowsTheLastDiagnosticsEvenWithoutADescriptor) {
  const int events = static_cast<int>(kDiagRecentLines) + 8;
  for (int i = 0; i < events; ++i) FTVM_DIAG(kInfo, "step.done").kv("i", i);
  FTVM_DIAG(kDebug, "step.detail");
  EXPECT_DEATH(FTVM_ASSERT(false),
               AllOf(HasSubstr("\"i\":8}"), HasSubstr("\"i\":39}"), Not(HasSubstr("\"i\":7}")),
                     Not(HasSubstr("step.detail"))));
}

TEST(AssertDeathTest, SurvivesAnExpressionLongerThanItsBuffer) {
  const std::string expression(5000, 'x');
  EXPECT_DEATH(assert_failed(expression.c_str(), "file.cc", 1), HasSubstr("xxxxxxxx"));
}

TEST(Assert, EvaluatesAConditionThatHoldsOnce) {
  int evaluations = 0;
  FTVM_ASSERT(++evaluations == 1);
  EXPECT_EQ(evaluations, 1);
}

TEST(Assert, KeepsAContextForEachThread) {
  assert_context().tick = 5;
  std::thread([] { EXPECT_EQ(assert_context().tick, 0u); }).join();
  EXPECT_EQ(assert_context().tick, 5u);
  assert_context() = {};
}

}  // namespace
}  // namespace ftvm
