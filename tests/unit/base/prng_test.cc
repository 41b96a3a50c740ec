// Random numbers are part of every reproducer, so their values are pinned. The expected ones come
// from a Python program that first checks itself against the published vectors of splitmix64 (seed
// 1234567) and xoshiro256** (state 1, 2, 3, 4).
#include "emulator/base/prng.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <vector>

namespace ftvm {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

std::vector<std::uint64_t> draws(Prng prng, std::size_t count) {
  std::vector<std::uint64_t> values(count);
  for (std::uint64_t& value : values) value = prng.next();
  return values;
}

TEST(Prng, DrawsTheKnownSequenceOfASeed) {
  EXPECT_EQ(draws(Prng(0), 4),
            (std::vector<std::uint64_t>{0x99ec5f36cb75f2b4, 0xbf6e1f784956452a, 0x1a5f849d4933e6e0,
                                        0x6aa594f1262d2d2c}));
  EXPECT_EQ(draws(Prng(42), 4),
            (std::vector<std::uint64_t>{0x15780b2e0c2ec716, 0x6104d9866d113a7e, 0xae17533239e499a1,
                                        0xecb8ad4703b360a1}));
  EXPECT_EQ(draws(Prng(kMax), 4),
            (std::vector<std::uint64_t>{0x8f5520d52a7ead08, 0xc476a018caa1802d, 0x81de31c0d260469e,
                                        0xbf658d7e065f3c2f}));
}

TEST(Prng, WorksAtCompileTime) {
  static_assert(Prng(42).next() == 0x15780b2e0c2ec716);
  static_assert(Prng(42).below(10) == 0);
}

TEST(Prng, BelowDrawsTheKnownSequence) {
  Prng prng(42);
  for (const std::uint64_t expected : {0, 3, 6, 9, 9, 7, 7, 8, 7, 5, 6, 2}) {
    EXPECT_EQ(prng.below(10), expected);
  }
}

TEST(Prng, BelowThrowsAwayDrawsThatWouldBeBiased) {
  // Just above half of the range nearly every second draw is surplus.
  Prng prng(42);
  const std::uint64_t n = (std::uint64_t{1} << 63) + 1;
  for (const std::uint64_t expected :
       {9147776489032658738u, 7099593415032875292u, 6633989454467100377u, 7022439175346172479u}) {
    EXPECT_EQ(prng.below(n), expected);
  }
  EXPECT_EQ(prng.next(), 10760895422300929085u);
}

TEST(Prng, BelowStaysBelow) {
  Prng prng(1);
  for (const std::uint64_t n : {std::uint64_t{1}, std::uint64_t{3}, kMax - 1, kMax}) {
    for (int i = 0; i < 100; ++i) ASSERT_LT(prng.below(n), n);
  }
}

TEST(Prng, BelowFavoursNobody) {
  // Chi-square with 5 degrees of freedom exceeds 20.5 once in a thousand seeds; this one does not.
  constexpr int kRolls = 60'000;
  Prng prng(7);
  std::array<int, 6> counts{};
  for (int i = 0; i < kRolls; ++i) ++counts[prng.below(6)];
  double chi_square = 0;
  for (const int count : counts) {
    const double excess = count - kRolls / 6.0;
    chi_square += excess * excess / (kRolls / 6.0);
  }
  EXPECT_LT(chi_square, 20.5);
}

TEST(PrngDeathTest, BelowNothingIsOurBug) {
  Prng prng(1);
  EXPECT_DEATH(prng.below(0), "n > 0");
}

TEST(Prng, ChanceIsCertainAtTheEndsAndAlwaysDrawsOnce) {
  Prng prng(3);
  Prng twin(3);
  for (int i = 0; i < 50; ++i) {
    EXPECT_FALSE(prng.chance(0, 8));
    EXPECT_TRUE(prng.chance(8, 8));
    twin.next();
    twin.next();
  }
  EXPECT_EQ(prng.next(), twin.next());
}

TEST(Prng, ChanceHitsItsShare) {
  Prng prng(9);
  int hits = 0;
  for (int i = 0; i < 40'000; ++i) hits += prng.chance(1, 4) ? 1 : 0;
  EXPECT_NEAR(hits, 10'000, 433);  // Five standard deviations.
}

TEST(Prng, ForksAreKnownByLabelAndIndex) {
  EXPECT_EQ(Prng(42).fork("net").next(), 0x701d869ffb3f7c93);
  EXPECT_EQ(Prng(42).fork("net", 7).next(), 0x81fcece8254395fc);
  EXPECT_EQ(Prng(42).fork("disk").next(), 0x0e747894f4762e5cu);
}

TEST(Prng, ForksDoNotDependOnWhatWasDrawn) {
  Prng used(42);
  used.next();
  EXPECT_EQ(draws(used.fork("net"), 8), draws(Prng(42).fork("net"), 8));
}

TEST(Prng, ForkingDrawsNothing) {
  Prng prng(42);
  (void)prng.fork("net");
  EXPECT_EQ(draws(prng, 8), draws(Prng(42), 8));
}

}  // namespace
}  // namespace ftvm
