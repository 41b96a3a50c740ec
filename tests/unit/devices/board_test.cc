// The board as a whole: wiring, state, determinism.
#include "devices/board.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/device_fixture.h"

namespace ftvm::devices {
namespace {

using test::DeviceFixture;

/// Leaves every device in the middle of something.
void make_busy(DeviceFixture& m) {
  m.init_pics(0xfe00);
  m.out(0x4d1, 0x0c);
  m.out(0x43, 0x36);  // Channel 0: square wave, then a new count half-way.
  m.out(0x40, 0x10), m.out(0x40, 0x27);
  m.run_ns(3'000'000);
  m.out(0x40, 0x00), m.out(0x40, 0x10);
  m.out(0x43, 0xb5);  // Channel 2: BCD, with one byte of its count written.
  m.out(0x42, 0x99);
  m.out(0x61, 0x01);
  m.out(0x43, 0xc2);  // Latched count and status.
  m.out(0x70, 0x0b), m.out(0x71, 0x72);
  m.out(0x70, 0x04), m.out(0x71, 0x07);
  m.out(0x70, 0x0c);
  m.out(0x3fa, 0xc1), m.out(0x3f9, 0x0f), m.out(0x3fb, 0x03);
  ASSERT_TRUE(m.type("a line that is long enough to be half in the backlog\n"));
  m.run_ns(1'000'000);
  m.out(0x3f8, 'x');
  m.out(0x2fc, 0x1b), m.out(0x2f8, 'y');
  m.out(0xe9, 'z');
  m.out(0x64, 0xd1), m.out(0x60, 0xdd), m.out(0x64, 0x60);
  m.out(0x92, 0x00);
  m.out(0xcf9, 0x02);
  m.out(0x80, 0x55);
  m.out(0x501, 0x07);
}

constexpr std::uint16_t kObserved[] = {0x20, 0x21, 0x40,  0x40,  0x42,  0x60,  0x61,  0x64,  0x71,
                                       0x92, 0xa0, 0x2f8, 0x2fa, 0x2fe, 0x3f8, 0x3fa, 0x3fd, 0xcf9};

/// A guest that looks at everything there is, for a while.
std::vector<std::uint32_t> observe(DeviceFixture& m) {
  std::vector<std::uint32_t> seen;
  for (int round = 0; round < 200; ++round) {
    for (const std::uint16_t port : kObserved) seen.push_back(m.in(port));
    seen.push_back(m.take_interrupt().value_or(0));
    m.out(0xa0, 0x20), m.out(0x20, 0x20);
    m.run_ns(777'777);
  }
  return seen;
}

TEST(Board, PortsDoNotOverlap) {
  DeviceFixture m;
  PortBus bus;
  EXPECT_TRUE(m.board().claim_ports(bus));
  const Status again = m.board().claim_ports(bus);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), ErrorCode::kUsage);
}

TEST(Board, DevicesHaveNamesOfTheirOwn) {
  DeviceFixture m;
  std::set<std::string_view> names;
  for (Device* device : m.board().devices().devices) {
    EXPECT_TRUE(names.insert(device->name()).second) << device->name();
  }
}

TEST(Board, DescribesItsOptionsAndPorts) {
  DeviceFixture one, same, other({.ram_bytes = std::uint64_t{128} << 20});
  EXPECT_EQ(one.board().describe(), same.board().describe());
  EXPECT_NE(one.board().describe(), other.board().describe());
  EXPECT_NE(one.board().describe().find("uart0 ports 3f8+8\n"), std::string::npos);
}

TEST(Board, ItsTimeOfDayMayBeToldBeforeItRuns) {
  const auto state_of = [](DeviceFixture& m) {
    Bytes state;
    StateSaver saver(state);
    for (Device* device : m.board().devices().devices) device->visit_state(saver);
    return state;
  };
  DeviceFixture made({.boot_unix_s = 1'700'000'000}), told, other;
  told.board().set_boot_time(1'700'000'000);
  EXPECT_EQ(state_of(made), state_of(told));
  EXPECT_NE(state_of(made), state_of(other));
  EXPECT_EQ(made.board().describe(), other.board().describe()) << "it is not the board's";
}

TEST(Board, WideAccessesToNarrowPortsAreSplit) {
  DeviceFixture m;
  m.out(0x20, 0x3011, 2);  // ICW1 and ICW2 at once.
  m.out(0x21, 0x04), m.out(0x21, 0x01);
  m.out(0x21, 0xfe);
  m.run_ns(60'000'000);
  EXPECT_EQ(m.take_interrupt(), 0x30);
}

TEST(Board, StateSavedInTheMiddleOfEverythingGoesOnTheSameWay) {
  DeviceFixture m;
  make_busy(m);
  const Bytes saved = m.save();
  DeviceFixture copy;
  ASSERT_TRUE(copy.load(saved).has_value());
  EXPECT_EQ(copy.save(), saved);

  EXPECT_EQ(observe(copy), observe(m));
  EXPECT_EQ(copy.save(), m.save());
  ASSERT_LE(copy.text().size(), m.text().size());
  EXPECT_EQ(m.text().substr(m.text().size() - copy.text().size()), copy.text());
}

TEST(Board, EveryByteOfTheSavedStateMattersOrIsRefused) {
  DeviceFixture m;
  make_busy(m);
  const Bytes saved = m.save();
  for (std::size_t i = 0; i < saved.size(); ++i) {
    Bytes changed = saved;
    changed[i] ^= 0x01;
    DeviceFixture copy;
    if (!copy.load(changed)) continue;
    EXPECT_EQ(copy.save(), changed) << "byte " << i;
  }
}

TEST(Board, ATornStateIsRefused) {
  DeviceFixture m;
  const Bytes saved = m.save();
  DeviceFixture copy;
  const Status status = copy.load(ByteView(saved).first(saved.size() - 1));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kBadData);
}

TEST(Board, ResetMakesABusyBoardBehaveLikeAFreshOne) {
  DeviceFixture m;
  make_busy(m);
  m.run_ns(200'000'000);
  m.reset();
  m.init_pics(0xffff);
  DeviceFixture fresh;
  fresh.init_pics(0xffff);
  constexpr std::uint16_t kPorts[] = {0x60, 0x64, 0x92, 0x80, 0xcf9, 0x3fa, 0x3fc, 0x2fc};
  for (const std::uint16_t port : kPorts) EXPECT_EQ(m.in(port), fresh.in(port)) << port;
  EXPECT_EQ(m.in(0x61) & 0x0f, fresh.in(0x61) & 0x0f);
  EXPECT_FALSE(m.intr());
}

TEST(Board, TheSameAccessesMakeTheSameState) {
  DeviceFixture a, b;
  make_busy(a);
  make_busy(b);
  EXPECT_EQ(observe(a), observe(b));
  EXPECT_EQ(a.save(), b.save());
}

TEST(Board, AnIdleBoardWakesOnlyForItsTimerTick) {
  DeviceFixture m;
  m.run_ns(10'000'000'000);
  unsigned armed = 0;
  for (Device* device : m.board().devices().devices) {
    for (const Timer& timer : device->timers()) armed += timer.armed() ? 1u : 0u;
  }
  EXPECT_EQ(armed, 1u);
}

}  // namespace
}  // namespace ftvm::devices
