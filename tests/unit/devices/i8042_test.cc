// The keyboard controller without a keyboard, and the A20 gate.
#include "devices/i8042.h"

#include <gtest/gtest.h>

#include "tests/support/device_fixture.h"

namespace ftvm::devices {
namespace {

using test::DeviceFixture;

struct Keyboard : testing::Test {
  DeviceFixture m;

  std::uint32_t ask(std::uint8_t command) {
    m.out(0x64, command);
    return m.in(0x60);
  }
  std::uint32_t ask(std::uint8_t command, std::uint8_t parameter) {
    m.out(0x64, command);
    m.out(0x60, parameter);
    return m.in(0x60);
  }
};

TEST_F(Keyboard, PassesItsSelfTest) {
  EXPECT_EQ(m.in(0x64) & 0x04, 0u);
  EXPECT_EQ(ask(0xaa), 0x55u);
  EXPECT_EQ(m.in(0x64) & 0x04, 0x04u);
}

TEST_F(Keyboard, OutputFullLastsUntilTheByteIsRead) {
  m.out(0x64, 0xaa);
  EXPECT_EQ(m.in(0x64) & 0x03, 0x01u);
  m.in(0x60);
  EXPECT_EQ(m.in(0x64) & 0x03, 0x00u);
}

TEST_F(Keyboard, KeepsItsCommandByteAndRam) {
  m.out(0x64, 0x60);
  m.out(0x60, 0x65);
  EXPECT_EQ(ask(0x20), 0x65u);
  m.out(0x64, 0x7f);
  m.out(0x60, 0x42);
  EXPECT_EQ(ask(0x3f), 0x42u);
}

TEST_F(Keyboard, PortsCanBeDisabledAndEnabled) {
  m.out(0x64, 0x60);
  m.out(0x60, 0x00);
  m.out(0x64, 0xad);
  m.out(0x64, 0xa7);
  EXPECT_EQ(ask(0x20), 0x30u);
  m.out(0x64, 0xae);
  m.out(0x64, 0xa8);
  EXPECT_EQ(ask(0x20), 0x00u);
}

TEST_F(Keyboard, HasOneWorkingPortAndNoMouse) {
  EXPECT_EQ(ask(0xab), 0x00u);
  EXPECT_EQ(ask(0xa9), 0x01u);
  m.out(0x64, 0xd3);
  m.out(0x60, 0x5a);
  EXPECT_EQ(m.in(0x64) & 0x21, 0x01u);  // The loop byte does not come from a mouse.
  EXPECT_EQ(m.in(0x60), 0x5au);
}

TEST_F(Keyboard, AByteForTheMissingKeyboardTimesOutAtOnce) {
  m.out(0x60, 0xff);
  EXPECT_EQ(m.in(0x64) & 0x41, 0x41u);
  EXPECT_EQ(m.in(0x60), 0xfeu);
  EXPECT_EQ(m.in(0x64) & 0x41, 0x00u);
}

TEST_F(Keyboard, AnAnswerInterruptsWhenTheCommandByteSaysSo) {
  m.init_pics(0xfffd);
  m.out(0x60, 0xff);
  EXPECT_FALSE(m.intr());
  m.in(0x60);
  m.out(0x64, 0x60);
  m.out(0x60, 0x01);
  m.out(0x60, 0xff);
  EXPECT_EQ(m.take_interrupt(), 0x31);
  m.in(0x60);
  m.out(0x20, 0x20);
  EXPECT_FALSE(m.intr());
}

TEST_F(Keyboard, TheOutputPortAndPort92ShowOneA20Gate) {
  EXPECT_EQ(m.in(0x92) & 0x02, 0x02u);
  m.out(0x64, 0xd1);
  m.out(0x60, 0xdd);  // A20 off, no reset.
  EXPECT_EQ(m.in(0x92) & 0x02, 0x00u);
  EXPECT_EQ(ask(0xd0) & 0x03, 0x01u);
  m.out(0x92, 0x02);
  EXPECT_EQ(ask(0xd0) & 0x03, 0x03u);
  EXPECT_TRUE(m.power_requests().empty());
}

TEST_F(Keyboard, TheResetPulseResetsTheMachine) {
  m.out(0x64, 0xfe);
  ASSERT_EQ(m.power_requests().size(), 1u);
  EXPECT_TRUE(m.power_requests()[0].reset);
}

TEST_F(Keyboard, APulseThatSparesTheResetLineDoesNothing) {
  m.out(0x64, 0xff);
  EXPECT_TRUE(m.power_requests().empty());
}

TEST_F(Keyboard, TheOutputPortsResetBitIsActiveLow) {
  m.out(0x64, 0xd1);
  m.out(0x60, 0x02);
  ASSERT_EQ(m.power_requests().size(), 1u);
}

}  // namespace
}  // namespace ftvm::devices
