// Byte order, bounds of ByteReader, and saturation of the quantities.
#include "emulator/base/bytes.h"

#include <gtest/gtest.h>

#include "emulator/base/units.h"

namespace ftvm {
namespace {

TEST(Bytes, AreLittleEndian) {
  Bytes out;
  ByteWriter writer(out);
  writer.put(std::uint32_t{0x04030201});
  writer.put(std::uint16_t{0x0605});
  writer.put_bytes(Bytes{7, 8});
  EXPECT_EQ(out, (Bytes{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(load_le<std::uint64_t>(out.data()), 0x0807060504030201u);
}

TEST(ByteReader, ReadsWhatAWriterWrote) {
  Bytes out;
  ByteWriter writer(out);
  writer.put(std::uint64_t{0xfedcba9876543210});
  writer.put(std::uint8_t{0x80});
  ByteReader reader(out);
  EXPECT_EQ(reader.get<std::uint64_t>(), 0xfedcba9876543210u);
  EXPECT_EQ(reader.position(), 8u);
  EXPECT_EQ(reader.get<std::uint8_t>(), 0x80);
  EXPECT_EQ(reader.remaining(), 0u);
}

TEST(ByteReader, RefusesWithoutMovingWhenTooLittleIsLeft) {
  const Bytes in{1, 2, 3};
  ByteReader reader(in);
  EXPECT_EQ(reader.get<std::uint32_t>(), std::nullopt);
  EXPECT_FALSE(reader.get_bytes(4).has_value());
  EXPECT_FALSE(reader.get_bytes(static_cast<std::size_t>(-1)).has_value());
  EXPECT_EQ(reader.position(), 0u);
  EXPECT_EQ(reader.get<std::uint16_t>(), 0x0201);
  EXPECT_TRUE(reader.get_bytes(1).has_value());
  EXPECT_TRUE(reader.get_bytes(0).has_value());
  EXPECT_EQ(reader.get<std::uint8_t>(), std::nullopt);
}

TEST(Units, SaturateAtNever) {
  EXPECT_EQ(Tick{5}.plus(7), Tick{12});
  EXPECT_EQ(Tick::never().plus(1), Tick::never());
  EXPECT_EQ(Tick{Tick::never().value - 1}.plus(1), Tick::never());
  EXPECT_EQ(Tick{Tick::never().value - 1}.plus(2), Tick::never());
  EXPECT_EQ(GuestTime{5}.plus_ns(7), GuestTime{12});
  EXPECT_EQ(GuestTime::never().plus_ns(1), GuestTime::never());
}

}  // namespace
}  // namespace ftvm
