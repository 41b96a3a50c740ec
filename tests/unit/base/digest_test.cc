// Digests against xxhsum 0.8.1, a program of its own: their values are journal format.
#include "emulator/base/digest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace ftvm {
namespace {

std::vector<std::uint8_t> bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}

std::vector<std::uint8_t> pattern(std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 7 + (i >> 8));
  return bytes;
}

TEST(Digest, AgreesWithXxhsum) {
  EXPECT_EQ(digest_of({}).hex(), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(digest_of(bytes_of("123456789")).hex(), "33119477ede5dcd5e9716427681d5860");
  EXPECT_EQ(digest_of(pattern(100'000)).hex(), "4e53faeda1b5812bb25cea78018497ff");
}

TEST(Digest, ShortFormAgreesWithXxhsum) {
  EXPECT_EQ(short_digest_of({}), 0x2d06800538d394c2u);
  EXPECT_EQ(short_digest_of(bytes_of("123456789")), 0x72dcb18b67a17dffu);
  EXPECT_EQ(short_digest_of(pattern(100'000)), 0xb25cea78018497ffu);
}

TEST(Digest, HexKeepsLeadingZeros) {
  const Digest small{{0, 0xab}};
  EXPECT_EQ(small.hex(), "000000000000000000000000000000ab");
}

TEST(DigestStream, DoesNotDependOnTheSplitIntoBuffers) {
  const std::vector<std::uint8_t> all = pattern(10'000);
  for (const std::size_t step : {1u, 7u, 256u, 4096u, 20'000u}) {
    DigestStream stream;
    stream.update({});
    for (std::size_t at = 0; at < all.size(); at += step) {
      stream.update(std::span(all).subspan(at, std::min(step, all.size() - at)));
    }
    EXPECT_EQ(stream.finish(), digest_of(all)) << "step " << step;
  }
}

TEST(DigestStream, MayGoOnAfterItWasAsked) {
  const std::vector<std::uint8_t> all = pattern(600);
  DigestStream stream;
  EXPECT_EQ(stream.finish(), digest_of({}));
  stream.update(std::span(all).first(300));
  EXPECT_EQ(stream.finish(), digest_of(std::span(all).first(300)));
  DigestStream moved = std::move(stream);
  moved.update(std::span(all).subspan(300));
  EXPECT_EQ(moved.finish(), digest_of(all));
}

}  // namespace
}  // namespace ftvm
