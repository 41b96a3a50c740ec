// CRC-32C against the vectors of RFC 3720, appendix B.4, and the check value of CRC catalogues.
#include "emulator/base/crc32c.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <string_view>
#include <vector>

namespace ftvm {
namespace {

/// One bit at a time, straight from the definition.
std::uint32_t reference(std::span<const std::uint8_t> bytes) {
  std::uint32_t crc = ~0u;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78 : 0);
  }
  return ~crc;
}

TEST(Crc32c, AgreesWithThePublishedVectors) {
  const std::string_view check = "123456789";
  EXPECT_EQ(crc32c(std::vector<std::uint8_t>(check.begin(), check.end())), 0xe3069283);
  EXPECT_EQ(crc32c(std::vector<std::uint8_t>(32, 0x00)), 0x8a9136aa);
  EXPECT_EQ(crc32c(std::vector<std::uint8_t>(32, 0xff)), 0x62a8ab43);
  std::vector<std::uint8_t> rising(32);
  std::iota(rising.begin(), rising.end(), std::uint8_t{0});
  EXPECT_EQ(crc32c(rising), 0x46dd794e);
  EXPECT_EQ(crc32c(std::vector<std::uint8_t>(rising.rbegin(), rising.rend())), 0x113fdb5c);
}

TEST(Crc32c, OfNothingIsZero) {
  EXPECT_EQ(crc32c({}), 0u);
}

TEST(Crc32c, AgreesWithTheDefinitionAtEveryLengthAndAlignment) {
  std::vector<std::uint8_t> bytes(80);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{0x55});
  for (std::size_t begin = 0; begin < 8; ++begin) {
    for (std::size_t size = 0; begin + size <= bytes.size(); ++size) {
      const auto part = std::span(bytes).subspan(begin, size);
      ASSERT_EQ(crc32c(part), reference(part)) << begin << " " << size;
    }
  }
}

}  // namespace
}  // namespace ftvm
