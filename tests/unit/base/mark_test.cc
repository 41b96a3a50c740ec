// Marks: counted when passed, listed in any case.
#include "emulator/base/mark.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace ftvm {
namespace {

inline void pass_shared_mark() {
  FTVM_MARK("test.shared");
}

template <class T>
void pass_mark_in_template() {
  FTVM_MARK("test.template");
}

TEST(Mark, CountsEachPass) {
  const std::uint64_t before = mark_counts().at("test.counted");
  for (int i = 0; i < 3; ++i) FTVM_MARK("test.counted");
  EXPECT_EQ(mark_counts().at("test.counted"), before + 3);
}

TEST(Mark, IsListedEvenWhenNeverPassed) {
  if (mark_counts().empty()) FTVM_MARK("test.never");
  ASSERT_TRUE(mark_counts().contains("test.never"));
  EXPECT_EQ(mark_counts().at("test.never"), 0u);
}

TEST(Mark, IsOneForItsNameWhereverItStands) {
  const std::uint64_t before = mark_counts().at("test.shared");
  pass_shared_mark();
  FTVM_MARK("test.shared");
  EXPECT_EQ(mark_counts().at("test.shared"), before + 2);
}

TEST(Mark, MayStandInATemplate) {
  pass_mark_in_template<int>();
  pass_mark_in_template<char>();
  EXPECT_EQ(mark_counts().at("test.template"), 2u);
}

TEST(Mark, LosesNoCountBetweenThreads) {
  constexpr std::uint64_t kThreads = 4, kPasses = 10'000;
  const std::uint64_t before = mark_counts().at("test.threads");
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (std::uint64_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([] {
      for (std::uint64_t j = 0; j < kPasses; ++j) FTVM_MARK("test.threads");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(mark_counts().at("test.threads"), before + kThreads * kPasses);
}

}  // namespace
}  // namespace ftvm
