// What the loader of bzImages takes and refuses. That Linux boots is seen by tests/cli/boot.
#include "emulator/boot/linux_loader.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "tests/support/linux_image.h"
#include "tests/unit/emulator/unicorn_fixture.h"

namespace ftvm::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::uint64_t kKernelAt = 16 << 20;

std::string refusal(const boot::LinuxImage& image, std::uint64_t ram_bytes = kRamBytesMin) {
  const Status checked = boot::check_linux(image, ram_bytes);
  return checked ? "" : checked.error().message();
}

class Loader : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = make_cpu({.engine = EngineKind::kPortable}, memory_, bus_);
    ASSERT_TRUE(made) << made.error().message();
    cpu_ = std::move(*made);
  }
  [[nodiscard]] std::uint32_t zero_page(std::size_t offset) const {
    const std::uint64_t at = cpu_->registers().gpr[6];  // rsi
    return load_le<std::uint32_t>(memory_.data() + at + offset);
  }
  GuestMemory memory_ = small_memory();
  EmptyBus bus_;
  std::unique_ptr<Cpu> cpu_;
};

TEST_F(Loader, PutsEachPartWhereTheHeaderSays) {
  boot::LinuxImage image = small_linux();
  image.initramfs = Bytes(5000, 0xab);
  image.command_line = "quiet";
  ASSERT_TRUE(boot::load_linux(image, memory_, *cpu_));
  EXPECT_EQ(cpu_->registers().rip, kKernelAt + 0x200);
  EXPECT_TRUE(std::equal(image.kernel.begin() + kLoadedPartAt, image.kernel.end(),
                         memory_.data() + kKernelAt));
  const std::uint32_t initramfs_at = zero_page(0x218);
  EXPECT_EQ(zero_page(0x21c), 5000u);
  EXPECT_GT(initramfs_at, kKernelAt + kInitBytes);
  EXPECT_LE(initramfs_at + 5000u, kRamBytesMin);
  EXPECT_TRUE(
      std::equal(image.initramfs.begin(), image.initramfs.end(), memory_.data() + initramfs_at));
  EXPECT_STREQ(reinterpret_cast<const char*>(memory_.data() + zero_page(0x228)), "quiet");
}

TEST_F(Loader, KeepsTheInitramfsBetweenTheKernelAndItsReach) {
  // Neither end is that of a page.
  constexpr std::uint32_t kInit = 0x10001, kLast = (24 << 20) + 5;
  boot::LinuxImage image = small_linux();
  store_le(&image.kernel[kInitSizeAt], kInit);
  store_le(&image.kernel[kRamdiskLastAt], kLast);
  // The most that fits: the loader leaves a MiB free above.
  const std::uint64_t first = kKernelAt + 0x11000, end = (24 << 20) - (1 << 20);
  image.initramfs = Bytes(end - first, 0xab);
  ASSERT_TRUE(boot::load_linux(image, memory_, *cpu_));
  EXPECT_EQ(zero_page(0x218), first);
  image.initramfs.push_back(0xab);
  EXPECT_THAT(refusal(image), HasSubstr("beyond 24 MiB"));
}

TEST_F(Loader, WithoutAnInitramfsItsReachSaysNothing) {
  boot::LinuxImage image = small_linux();
  store_le<std::uint32_t>(&image.kernel[kRamdiskLastAt], 0);
  ASSERT_TRUE(boot::load_linux(image, memory_, *cpu_));
  EXPECT_EQ(zero_page(0x21c), 0u);
}

TEST(LinuxImage, ALoadedPartLargerThanItsInitSizeNeedsItsOwnRoom) {
  const std::size_t all_but_a_mib = kRamBytesMin - kKernelAt - (1 << 20);
  EXPECT_EQ(refusal(small_linux(all_but_a_mib)), "");
  EXPECT_THAT(refusal(small_linux(all_but_a_mib + 16)), StartsWith("RAM: 64 MiB is too small"));
  EXPECT_THAT(refusal(small_linux(kRamBytesMin)), StartsWith("RAM: 64 MiB is too small"));
}

TEST(LinuxImage, CutAnywhereItIsRefused) {
  const boot::LinuxImage whole = small_linux();
  ASSERT_EQ(refusal(whole), "");
  for (std::size_t bytes = 0; bytes < whole.kernel.size(); ++bytes) {
    boot::LinuxImage cut = whole;
    cut.kernel.resize(bytes);
    ASSERT_THAT(refusal(cut), StartsWith("kernel: ")) << bytes;
  }
  boot::LinuxImage cut = whole;
  cut.kernel.pop_back();
  EXPECT_EQ(refusal(cut), "kernel: cut off, 5119 of 5120 bytes");
  boot::LinuxImage is_signed = whole;
  is_signed.kernel.resize(whole.kernel.size() + 1000);
  EXPECT_EQ(refusal(is_signed), "");
}

TEST(LinuxImage, TheInitramfsStaysWhereTheKernelReaches) {
  boot::LinuxImage image = small_linux();
  image.initramfs = Bytes(8 << 20);
  store_le<std::uint32_t>(&image.kernel[kRamdiskLastAt], (20 << 20) - 1);
  EXPECT_THAT(refusal(image), HasSubstr("beyond 20 MiB"));
  store_le<std::uint16_t>(&image.kernel[kXloadFlagsAt], 3);  // XLF_CAN_BE_LOADED_ABOVE_4G
  EXPECT_EQ(refusal(image), "");
}

}  // namespace
}  // namespace ftvm::test
