// Guest RAM: size rules, zeroed pages, digests by slice.
#include "emulator/memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace ftvm {
namespace {

std::vector<Digest> digests(const GuestMemory& memory) {
  std::vector<Digest> all;
  for (std::uint32_t slice = 0; slice < kRamSlices; ++slice) {
    all.push_back(memory.digest_slice(slice));
  }
  return all;
}

TEST(GuestMemory, RefusesSizesOutOfRangeOrStep) {
  for (const std::uint64_t size : {std::uint64_t{0}, kRamBytesMin - (2 << 20), kRamBytesMin + 4096,
                                   kRamBytesMin + (1 << 20), kRamBytesMax + (2 << 20)}) {
    const auto memory = GuestMemory::create(size);
    ASSERT_FALSE(memory) << size;
    EXPECT_EQ(memory.error().code(), ErrorCode::kUsage);
  }
}

TEST(GuestMemory, MapsTheLargestGuestWithoutNeedingItsPages) {
  auto memory = GuestMemory::create(kRamBytesMax);
  ASSERT_TRUE(memory) << memory.error().message();
  EXPECT_EQ(memory->size_bytes(), kRamBytesMax);
  memory->bytes().back() = 1;
  EXPECT_EQ(memory->bytes().front(), 0);
}

TEST(GuestMemory, SlicesAreWholePagesAndCoverRamOnce) {
  for (const std::uint64_t size : {kRamBytesMin, kRamBytesMin + (2 << 20), kRamBytesMax}) {
    std::uint64_t end = 0;
    for (std::uint32_t slice = 0; slice < kRamSlices; ++slice) {
      const auto bounds = GuestMemory::slice_bounds(size, slice);
      EXPECT_EQ(bounds.begin, end);
      EXPECT_EQ(bounds.size_bytes % kPageBytes, 0u);
      end = bounds.begin + bounds.size_bytes;
    }
    EXPECT_EQ(end, size);
  }
}

TEST(GuestMemory, DigestOfASliceCoversExactlyItsBytes) {
  GuestMemory memory = GuestMemory::create(kRamBytesMin).value();
  const std::vector<Digest> zero = digests(memory);
  const auto bounds = GuestMemory::slice_bounds(kRamBytesMin, 5);
  for (const std::uint64_t at : {bounds.begin, bounds.begin + bounds.size_bytes - 1}) {
    memory.data()[at] = 1;
    std::vector<Digest> now = digests(memory);
    EXPECT_EQ(now[5], digest_of(memory.bytes().subspan(bounds.begin, bounds.size_bytes)));
    EXPECT_NE(now[5], zero[5]);
    now[5] = zero[5];
    EXPECT_EQ(now, zero);
    memory.data()[at] = 0;
  }
}

TEST(GuestMemory, ClearMakesAllBytesZeroAgain) {
  GuestMemory memory = GuestMemory::create(kRamBytesMin).value();
  const std::vector<Digest> zero = digests(memory);
  for (std::uint64_t at = 0; at < memory.size_bytes(); at += 1 << 20) memory.data()[at] = 0xff;
  memory.bytes().back() = 0xff;
  memory.clear();
  EXPECT_EQ(digests(memory), zero);
}

TEST(GuestMemory, MovesWithoutMovingItsBytes) {
  GuestMemory memory = GuestMemory::create(kRamBytesMin).value();
  std::uint8_t* const data = memory.data();
  data[7] = 9;
  const GuestMemory moved = std::move(memory);
  EXPECT_EQ(moved.data(), data);
  EXPECT_EQ(moved.data()[7], 9);
  EXPECT_EQ(moved.size_bytes(), kRamBytesMin);
}

TEST(GuestMemoryDeathTest, ASliceThatIsNotThereIsOurBug) {
  const GuestMemory memory = GuestMemory::create(kRamBytesMin).value();
  EXPECT_DEATH((void)memory.digest_slice(kRamSlices), "slice < kRamSlices");
}

}  // namespace
}  // namespace ftvm
