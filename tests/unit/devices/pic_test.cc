// The 8259A pair against its data sheet.
#include "devices/pic.h"

#include <gtest/gtest.h>

#include <tuple>

namespace ftvm::devices {
namespace {

constexpr std::uint16_t kMaster = Pic::kMasterOffset;
constexpr std::uint16_t kSlave = Pic::kSlaveOffset;
constexpr std::uint8_t kReadIrr = 0x0a, kReadIsr = 0x0b, kPoll = 0x0c;
constexpr std::uint8_t kSetSpecialMask = 0x68, kClearSpecialMask = 0x48;
constexpr std::uint8_t kEoi = 0x20, kSpecificEoi = 0x60, kRotateEoi = 0xa0, kSetPriority = 0xc0;
constexpr std::uint8_t kRotateSpecificEoi = 0xe0, kRotateOnAutoEoi = 0x80;

/// A pair that is set up as a PC kernel does it, with nothing masked.
struct Pair {
  Pic pic;

  explicit Pair(std::uint8_t icw4 = 0x01) {
    pic.reset({});
    for (const auto& [chip, vectors, icw3] : {std::tuple{kMaster, 0x30, 4}, {kSlave, 0x38, 2}}) {
      command(chip, 0x11);
      data(chip, static_cast<std::uint8_t>(vectors));
      data(chip, static_cast<std::uint8_t>(icw3));
      data(chip, icw4);
    }
  }
  void command(std::uint16_t chip, std::uint8_t value) { pic.write(chip, 1, value, {}); }
  void data(std::uint16_t chip, std::uint8_t value) {
    pic.write(static_cast<std::uint16_t>(chip + 1), 1, value, {});
  }
  std::uint32_t status(std::uint16_t chip) { return pic.read(chip, 1, {}); }
  std::uint32_t mask(std::uint16_t chip) {
    return pic.read(static_cast<std::uint16_t>(chip + 1), 1, {});
  }
  std::uint32_t isr(std::uint16_t chip) {
    command(chip, kReadIsr);
    return status(chip);
  }
  std::uint32_t irr(std::uint16_t chip) {
    command(chip, kReadIrr);
    return status(chip);
  }
  bool intr() const { return pic.intr(); }
  std::uint8_t acknowledge() { return pic.acknowledge(); }
  void set_irq(unsigned line, bool level) { pic.set_irq(line, level); }
  void pulse(unsigned line) {
    set_irq(line, false);
    set_irq(line, true);
  }
  void elcr(std::uint16_t value) {
    pic.write(Pic::kElcrOffset, 1, value & 0xff, {});
    pic.write(Pic::kElcrOffset + 1, 1, static_cast<std::uint32_t>(value >> 8), {});
  }
};

TEST(Pic, MasksEverythingAndIsSilentUntilInitialised) {
  Pic pic;
  pic.reset({});
  pic.set_irq(0, true);
  EXPECT_FALSE(pic.intr());
  EXPECT_EQ(pic.read(1, 1, {}), 0xffu);
}

TEST(Pic, KeepsTheMaskBeforeInitialisationSoThatAKernelCanProbeIt) {
  Pic pic;
  pic.reset({});
  pic.write(1, 1, 0xfb, {});
  EXPECT_EQ(pic.read(1, 1, {}), 0xfbu);
}

TEST(Pic, InitialisationClearsTheMaskAndSetsTheVectors) {
  Pair pic;
  EXPECT_EQ(pic.mask(kMaster), 0u);
  EXPECT_EQ(pic.mask(kSlave), 0u);
  pic.set_irq(1, true);
  ASSERT_TRUE(pic.intr());
  EXPECT_EQ(pic.acknowledge(), 0x31);
}

TEST(Pic, IsSilentHalfwayThroughInitialisation) {
  Pair pic;
  pic.command(kMaster, 0x11);
  pic.data(kMaster, 0x30);
  pic.set_irq(1, true);
  EXPECT_FALSE(pic.intr());
  pic.data(kMaster, 0x04);
  pic.data(kMaster, 0x01);
  EXPECT_TRUE(pic.intr());
}

TEST(Pic, SingleModeWithoutIcw4TakesOnlyIcw2) {
  Pair pic;
  pic.command(kMaster, 0x12);
  pic.data(kMaster, 0x40);
  pic.data(kMaster, 0xfd);  // Already the mask.
  pic.set_irq(1, true);
  EXPECT_EQ(pic.mask(kMaster), 0xfdu);
  EXPECT_EQ(pic.acknowledge(), 0x41);
}

TEST(Pic, Icw1ForgetsEdgesAndServicesButAnActiveLevelAsksAgain) {
  Pair pic;
  pic.elcr(0x0020);
  pic.set_irq(1, true);
  pic.set_irq(5, true);
  EXPECT_EQ(pic.acknowledge(), 0x31);
  pic.set_irq(3, true);
  pic.command(kMaster, 0x11);
  pic.data(kMaster, 0x30);
  pic.data(kMaster, 0x04);
  pic.data(kMaster, 0x01);
  EXPECT_EQ(pic.isr(kMaster), 0u);
  EXPECT_EQ(pic.irr(kMaster), 0x20u);
}

TEST(Pic, AnEdgeIsTakenOnceWhileTheLineStaysHigh) {
  Pair pic;
  pic.set_irq(4, true);
  EXPECT_EQ(pic.acknowledge(), 0x34);
  pic.command(kMaster, kEoi);
  EXPECT_FALSE(pic.intr());
  pic.pulse(4);
  EXPECT_TRUE(pic.intr());
}

TEST(Pic, ALevelAsksAgainAfterEoiUntilItsLineFalls) {
  Pair pic;
  pic.elcr(0x0800);
  pic.set_irq(11, true);
  EXPECT_EQ(pic.acknowledge(), 0x3b);
  EXPECT_FALSE(pic.intr());
  pic.command(kSlave, kEoi);
  pic.command(kMaster, kEoi);
  EXPECT_TRUE(pic.intr());
  pic.set_irq(11, false);
  EXPECT_FALSE(pic.intr());
}

TEST(Pic, ElcrKeepsTheLinesOfTheChipsetEdgeTriggered) {
  Pair pic;
  pic.elcr(0xffff);
  EXPECT_EQ(pic.pic.read(Pic::kElcrOffset, 1, {}), 0xf8u);
  EXPECT_EQ(pic.pic.read(Pic::kElcrOffset + 1, 1, {}), 0xdeu);
}

TEST(Pic, LowerNumbersComeFirst) {
  Pair pic;
  pic.set_irq(7, true);
  pic.set_irq(3, true);
  EXPECT_EQ(pic.acknowledge(), 0x33);
}

TEST(Pic, ServiceHoldsOffLowerAndLetsHigherIn) {
  Pair pic;
  pic.set_irq(3, true);
  EXPECT_EQ(pic.acknowledge(), 0x33);
  pic.set_irq(4, true);
  EXPECT_FALSE(pic.intr());
  pic.set_irq(1, true);
  ASSERT_TRUE(pic.intr());
  EXPECT_EQ(pic.acknowledge(), 0x31);
  EXPECT_EQ(pic.isr(kMaster), 0x0au);
}

TEST(Pic, NonSpecificEoiEndsTheHighestService) {
  Pair pic;
  pic.set_irq(3, true);
  pic.acknowledge();
  pic.set_irq(1, true);
  pic.acknowledge();
  pic.command(kMaster, kEoi);
  EXPECT_EQ(pic.isr(kMaster), 0x08u);
}

TEST(Pic, SpecificEoiEndsTheNamedService) {
  Pair pic;
  pic.set_irq(3, true);
  pic.acknowledge();
  pic.set_irq(1, true);
  pic.acknowledge();
  pic.command(kMaster, kSpecificEoi | 3);
  EXPECT_EQ(pic.isr(kMaster), 0x02u);
}

TEST(Pic, AMaskedRequestWaits) {
  Pair pic;
  pic.data(kMaster, 0x10);
  pic.set_irq(4, true);
  EXPECT_FALSE(pic.intr());
  EXPECT_EQ(pic.irr(kMaster), 0x10u);
  pic.data(kMaster, 0x00);
  EXPECT_TRUE(pic.intr());
}

TEST(Pic, TheSlaveComesInAtItsPlaceOnTheMaster) {
  Pair pic;
  pic.set_irq(3, true);
  pic.set_irq(14, true);
  EXPECT_EQ(pic.irr(kMaster), 0x0cu);
  EXPECT_EQ(pic.acknowledge(), 0x3e);
  EXPECT_EQ(pic.isr(kMaster), 0x04u);
  EXPECT_EQ(pic.isr(kSlave), 0x40u);
  EXPECT_FALSE(pic.intr());
}

TEST(Pic, ASlaveRequestStaysOutWhileTheMasterMasksTheCascade) {
  Pair pic;
  pic.data(kMaster, 0x04);
  pic.set_irq(8, true);
  EXPECT_FALSE(pic.intr());
}

TEST(Pic, FullyNestedModeHoldsAHigherSlaveRequestOffUntilTheMastersEoi) {
  Pair pic;
  pic.set_irq(14, true);
  pic.acknowledge();
  pic.set_irq(8, true);
  EXPECT_FALSE(pic.intr());
  pic.command(kMaster, kEoi);
  EXPECT_TRUE(pic.intr());
}

TEST(Pic, SpecialFullyNestedModeLetsAHigherSlaveRequestIn) {
  Pair pic(0x11);
  pic.set_irq(14, true);
  pic.acknowledge();
  pic.set_irq(8, true);
  ASSERT_TRUE(pic.intr());
  EXPECT_EQ(pic.acknowledge(), 0x38);
}

TEST(Pic, ARequestThatVanishesTakesIntrWithIt) {
  Pair pic;
  pic.set_irq(4, true);
  pic.set_irq(14, true);
  pic.set_irq(4, false);
  EXPECT_TRUE(pic.intr());
  pic.set_irq(14, false);
  EXPECT_FALSE(pic.intr());
}

TEST(Pic, AnAcknowledgementOfNothingIsSpuriousIrq7WithoutService) {
  Pair pic;
  pic.set_irq(4, true);
  pic.set_irq(4, false);
  EXPECT_EQ(pic.acknowledge(), 0x37);
  EXPECT_EQ(pic.isr(kMaster), 0u);
}

TEST(Pic, RotationOnEoiMakesTheServedLineTheLowest) {
  Pair pic;
  pic.set_irq(3, true);
  pic.acknowledge();
  pic.command(kMaster, kRotateEoi);
  pic.pulse(3);
  pic.pulse(4);
  EXPECT_EQ(pic.acknowledge(), 0x34);
}

TEST(Pic, SpecificRotationEndsAServiceAndRotates) {
  Pair pic;
  pic.set_irq(5, true);
  pic.acknowledge();
  pic.command(kMaster, kRotateSpecificEoi | 5);
  EXPECT_EQ(pic.isr(kMaster), 0u);
  pic.pulse(0);
  pic.pulse(6);
  EXPECT_EQ(pic.acknowledge(), 0x36);
}

TEST(Pic, SetPriorityNamesTheLowestLine) {
  Pair pic;
  pic.command(kMaster, kSetPriority | 4);
  pic.set_irq(0, true);
  pic.set_irq(5, true);
  EXPECT_EQ(pic.acknowledge(), 0x35);
}

TEST(Pic, NonSpecificEoiFollowsTheRotatedPriority) {
  Pair pic;
  pic.set_irq(5, true);
  pic.acknowledge();
  pic.set_irq(0, true);
  pic.acknowledge();
  pic.command(kMaster, kSetPriority | 4);  // Now 5 is the highest.
  pic.command(kMaster, kEoi);
  EXPECT_EQ(pic.isr(kMaster), 0x01u);
}

TEST(Pic, AutomaticEoiLeavesNothingInService) {
  Pair pic(0x03);
  pic.set_irq(4, true);
  EXPECT_EQ(pic.acknowledge(), 0x34);
  EXPECT_EQ(pic.isr(kMaster), 0u);
  pic.set_irq(5, true);
  EXPECT_TRUE(pic.intr());
}

TEST(Pic, AutomaticEoiRotatesWhenToldTo) {
  Pair pic(0x03);
  pic.command(kMaster, kRotateOnAutoEoi);
  pic.set_irq(4, true);
  pic.acknowledge();
  pic.pulse(4);
  pic.pulse(6);
  EXPECT_EQ(pic.acknowledge(), 0x36);
  pic.command(kMaster, 0x00);
  pic.pulse(6);
  EXPECT_EQ(pic.acknowledge(), 0x34);  // Rotated by 6 before it was switched off.
}

TEST(Pic, SpecialMaskModeLetsLowerLinesInBehindAMaskedService) {
  Pair pic;
  pic.set_irq(3, true);
  pic.acknowledge();
  pic.set_irq(5, true);
  pic.data(kMaster, 0x08);
  EXPECT_FALSE(pic.intr());
  pic.command(kMaster, kSetSpecialMask);
  ASSERT_TRUE(pic.intr());
  EXPECT_EQ(pic.acknowledge(), 0x35);
  pic.command(kMaster, kEoi);  // Not the masked one.
  EXPECT_EQ(pic.isr(kMaster), 0x08u);
  pic.command(kMaster, kClearSpecialMask);
  pic.pulse(5);
  EXPECT_FALSE(pic.intr());
}

TEST(Pic, PollAcknowledgesLikeAnInterrupt) {
  Pair pic;
  pic.set_irq(6, true);
  pic.command(kMaster, kPoll);
  EXPECT_EQ(pic.status(kMaster), 0x86u);
  EXPECT_EQ(pic.isr(kMaster), 0x40u);
  EXPECT_FALSE(pic.intr());
}

TEST(Pic, PollOfAnIdleControllerSaysNothingPendsAndIsOverAfterOneRead) {
  Pair pic;
  pic.command(kMaster, kReadIrr);
  pic.command(kMaster, kPoll);
  EXPECT_EQ(pic.status(kMaster) & 0x80, 0u);
  pic.set_irq(6, true);
  EXPECT_EQ(pic.status(kMaster), 0x40u);
}

TEST(Pic, ResetDropsLinesRequestsAndVectors) {
  Pair pic;
  pic.set_irq(4, true);
  pic.pic.reset({});
  EXPECT_FALSE(pic.intr());
  EXPECT_EQ(pic.irr(kMaster), 0u);
  EXPECT_EQ(pic.mask(kMaster), 0xffu);
}

TEST(Pic, SavedInServiceItGoesOnTheSameWay) {
  Pair pic;
  pic.elcr(0x0820);
  pic.command(kMaster, kSetPriority | 2);
  pic.set_irq(11, true);
  pic.set_irq(5, true);
  pic.set_irq(6, true);
  pic.acknowledge();
  pic.command(kSlave, 0x11);  // Half-way through initialisation.
  Bytes bytes;
  StateSaver saver(bytes);
  pic.pic.visit_state(saver);

  Pic copy;
  StateLoader loader(bytes);
  copy.visit_state(loader);
  ASSERT_TRUE(loader.finish().has_value());
  Bytes again;
  StateSaver resaver(again);
  copy.visit_state(resaver);
  EXPECT_EQ(bytes, again);
  copy.write(kMaster, 1, kEoi, {});
  pic.command(kMaster, kEoi);
  EXPECT_EQ(copy.intr(), pic.intr());
  EXPECT_EQ(copy.acknowledge(), pic.acknowledge());
}

}  // namespace
}  // namespace ftvm::devices
