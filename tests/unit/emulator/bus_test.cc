// Which device sees which part of an access.
#include "emulator/bus.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace ftvm {
namespace {

/// Registers that remember what was done to them. Byte `offset` reads as 0x10 * id + offset, and
/// the bits above the access as ones, which nobody may ever see.
class FakeDevice final : public Device {
 public:
  FakeDevice(unsigned id, unsigned width) : id_(id), width_(width) {}
  [[nodiscard]] std::string_view name() const override { return "fake"; }
  [[nodiscard]] unsigned width_bytes() const override { return width_; }
  std::uint32_t read(std::uint16_t offset, unsigned size_bytes, const Now&) override {
    accesses.push_back("r" + std::to_string(offset) + "/" + std::to_string(size_bytes));
    std::uint64_t value = ~std::uint64_t{0};
    for (unsigned i = size_bytes; i-- > 0;) value = value << 8 | (0x10 * id_ + offset + i);
    return static_cast<std::uint32_t>(value);
  }
  void write(std::uint16_t offset, unsigned size_bytes, std::uint32_t value, const Now&) override {
    accesses.push_back("w" + std::to_string(offset) + "/" + std::to_string(size_bytes));
    values.push_back(value);
  }
  void reset(const Now&) override {}
  void visit_state(StateVisitor&) override {}

  std::vector<std::string> accesses;
  std::vector<std::uint32_t> values;

 private:
  unsigned id_;
  unsigned width_;
};

using Accesses = std::vector<std::string>;
using Values = std::vector<std::uint32_t>;
const Now kNow{};

TEST(PortBus, GivesADeviceItsOwnOffsets) {
  FakeDevice a(1, 1);
  PortBus bus;
  ASSERT_TRUE(bus.claim(a, 0x3f8, 8));
  EXPECT_EQ(bus.read(0x3fd, 1, kNow), 0x15u);
  bus.write(0x3f8, 1, 0xffffffab, kNow);
  EXPECT_EQ(a.accesses, (Accesses{"r5/1", "w0/1"}));
  EXPECT_EQ(a.values, (Values{0xab})) << "bits above the access are cut off";
}

TEST(PortBus, SplitsAWideAccessToANarrowDeviceLowByteFirst) {
  FakeDevice a(1, 1);
  PortBus bus;
  ASSERT_TRUE(bus.claim(a, 0x100, 8));
  EXPECT_EQ(bus.read(0x102, 4, kNow), 0x15141312u);
  bus.write(0x100, 2, 0xbbaa, kNow);
  EXPECT_EQ(a.accesses, (Accesses{"r2/1", "r3/1", "r4/1", "r5/1", "w0/1", "w1/1"}));
  EXPECT_EQ(a.values, (Values{0xaa, 0xbb}));
}

TEST(PortBus, SplitsAWideAccessOverTwoDevices) {
  FakeDevice a(1, 1);
  FakeDevice b(2, 2);
  PortBus bus;
  ASSERT_TRUE(bus.claim(b, 0x102, 2));
  ASSERT_TRUE(bus.claim(a, 0x100, 2));
  EXPECT_EQ(bus.read(0x100, 4, kNow), 0x21201110u);
  bus.write(0x100, 4, 0xddccbbaa, kNow);
  EXPECT_EQ(a.accesses, (Accesses{"r0/1", "r1/1", "w0/1", "w1/1"}));
  EXPECT_EQ(b.accesses, (Accesses{"r0/2", "w0/2"}));
  EXPECT_EQ(b.values, (Values{0xddcc}));
}

TEST(PortBus, GivesAWideDeviceTheWholeAccess) {
  FakeDevice a(1, 4);
  PortBus bus;
  ASSERT_TRUE(bus.claim(a, 0xcf8, 8));
  EXPECT_EQ(bus.read(0xcf8, 4, kNow), 0x13121110u);
  EXPECT_EQ(bus.read(0xcfd, 2, kNow), 0x1615u);
  EXPECT_EQ(bus.read(0xcff, 1, kNow), 0x17u);
  EXPECT_EQ(a.accesses, (Accesses{"r0/4", "r5/2", "r7/1"}));
}

TEST(PortBus, CutsAtTheBusCyclesOfTheDevice) {
  FakeDevice a(1, 2);
  PortBus bus;
  ASSERT_TRUE(bus.claim(a, 0x1f0, 8));
  EXPECT_EQ(bus.read(0x1f0, 4, kNow), 0x13121110u);
  EXPECT_EQ(bus.read(0x1f1, 4, kNow), 0x14131211u);
  EXPECT_EQ(a.accesses, (Accesses{"r0/2", "r2/2", "r1/1", "r2/2", "r4/1"}));
}

TEST(PortBus, NeverMakesAnAccessOfThreeBytes) {
  FakeDevice a(1, 4);
  PortBus bus;
  ASSERT_TRUE(bus.claim(a, 0x101, 3));
  EXPECT_EQ(bus.read(0x101, 4, kNow), 0xff121110u);
  EXPECT_EQ(a.accesses, (Accesses{"r0/2", "r2/1"}));
}

TEST(PortBus, ReadsOnesFromUnclaimedPortsAndCountsEachByte) {
  PortBus bus;
  EXPECT_EQ(bus.read(0x80, 1, kNow), 0xffu);
  EXPECT_EQ(bus.read(0x80, 2, kNow), 0xffffu);
  EXPECT_EQ(bus.read(0x80, 4, kNow), 0xffffffffu);
  bus.write(0x80, 1, 0, kNow);
  EXPECT_EQ(bus.unclaimed(),
            (std::map<std::uint16_t, std::uint64_t>{{0x80, 4}, {0x81, 2}, {0x82, 1}, {0x83, 1}}));
  EXPECT_EQ(bus.unclaimed_text(), "80 x4, 81 x2, 82 x1, 83 x1");
}

TEST(PortBus, FillsAGapWithinAnAccessWithOnes) {
  FakeDevice a(1, 1);
  FakeDevice b(2, 1);
  PortBus bus;
  ASSERT_TRUE(bus.claim(a, 0x100, 1));
  ASSERT_TRUE(bus.claim(b, 0x102, 1));
  EXPECT_EQ(bus.read(0x100, 4, kNow), 0xff20ff10u);
  EXPECT_EQ(bus.unclaimed().size(), 2u);
}

TEST(PortBus, HasNothingBehindTheLastPort) {
  FakeDevice first(1, 1);
  FakeDevice last(2, 1);
  PortBus bus;
  ASSERT_TRUE(bus.claim(first, 0, 1));
  ASSERT_TRUE(bus.claim(last, 0xffff, 1));
  EXPECT_EQ(bus.read(0xffff, 4, kNow), 0xffffff20u);
  bus.write(0xffff, 2, 0x1234, kNow);
  EXPECT_EQ(last.values, (Values{0x34}));
  EXPECT_TRUE(first.accesses.empty()) << "port numbers do not wrap";
  EXPECT_TRUE(bus.unclaimed().empty());
}

TEST(PortBus, RefusesOverlapsWhateverTheirShape) {
  FakeDevice a(1, 1);
  PortBus bus;
  ASSERT_TRUE(bus.claim(a, 0x100, 8));
  const std::vector<std::pair<std::uint16_t, std::uint16_t>> overlaps = {
      {0x100, 8}, {0x0ff, 2}, {0x107, 1}, {0x102, 2}, {0x0f0, 0x100}, {0, 0xffff}};
  for (const auto& [base, count] : overlaps) {
    const Status status = bus.claim(a, base, count);
    ASSERT_FALSE(status) << base;
    EXPECT_EQ(status.error().code(), ErrorCode::kUsage);
  }
  EXPECT_TRUE(bus.claim(a, 0x0ff, 1)) << "neighbours are fine";
  EXPECT_TRUE(bus.claim(a, 0x108, 1));
}

TEST(PortBus, RefusesWhatIsNoPortRange) {
  FakeDevice a(1, 1);
  PortBus bus;
  EXPECT_EQ(bus.claim(a, 0x100, 0).error().code(), ErrorCode::kUsage);
  EXPECT_EQ(bus.claim(a, 0xffff, 2).error().code(), ErrorCode::kUsage);
  EXPECT_TRUE(bus.claim(a, 0xfffe, 2));
}

TEST(PortBusDeathTest, AnAccessOfThreeBytesIsOurBug) {
  PortBus bus;
  EXPECT_DEATH(bus.read(0, 3, kNow), "size_bytes");
  EXPECT_DEATH(bus.write(0, 8, 0, kNow), "size_bytes");
}

}  // namespace
}  // namespace ftvm
