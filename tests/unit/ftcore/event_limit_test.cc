// One event a second, and the count of the others.
#include "ftcore/node/event_limit.h"

#include <gtest/gtest.h>

namespace ftvm::ftcore {
namespace {

constexpr HostTime at_ms(std::int64_t ms) {
  return {ms * kNsPerMs};
}

TEST(EventLimit, SaysOneASecondAndCountsTheOthers) {
  EventLimit limit;
  EXPECT_EQ(limit.admit(at_ms(0)), 0u) << "the first one, whenever it comes";
  EXPECT_EQ(limit.admit(at_ms(1)), std::nullopt);
  EXPECT_EQ(limit.admit(at_ms(999)), std::nullopt);
  EXPECT_EQ(limit.admit(at_ms(1'000)), 2u);
  EXPECT_EQ(limit.admit(at_ms(1'500)), std::nullopt);
  EXPECT_EQ(limit.admit(at_ms(60'000)), 1u);
  EXPECT_EQ(limit.admit(at_ms(120'000)), 0u);
}

}  // namespace
}  // namespace ftvm::ftcore
