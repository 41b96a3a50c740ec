// bzImages from hostile bytes: what the loader takes lies within RAM, what it refuses it names. The
// input is a list of patches (offset in the file, 2 bytes; value, 1 byte) to a good image, behind
// what says how large its loaded part and an initramfs are (1 byte each).
#include <cstdint>
#include <cstdlib>

#include "tests/support/linux_image.h"
#include "tests/unit/emulator/unicorn_fixture.h"

namespace {

using namespace ftvm;

/// Mostly small, now and then more than there is room for. A multiple of 16.
std::size_t size_bytes(std::uint8_t choice) {
  return choice % 16 == 15 ? (choice + 1) * std::size_t{256 << 10} : choice * std::size_t{16};
}

struct Target {
  GuestMemory memory = test::small_memory();
  test::EmptyBus bus;
  std::unique_ptr<Cpu> cpu = std::move(*make_cpu({.engine = EngineKind::kPortable}, memory, bus));
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Target target;
  if (size < 2) return 0;
  boot::LinuxImage image = test::small_linux(test::kLoadedBytes + size_bytes(data[0]));
  image.initramfs = Bytes(size_bytes(data[1]));
  for (std::size_t at = 2; at + 3 <= size; at += 3) {
    image.kernel[load_le<std::uint16_t>(data + at) % image.kernel.size()] = data[at + 2];
  }
  const Status loaded = boot::load_linux(image, target.memory, *target.cpu);
  if (loaded) {
    const std::uint64_t rsi = target.cpu->registers().gpr[6];
    const std::uint8_t* zero_page = target.memory.data() + rsi;
    const std::uint64_t end = std::uint64_t{load_le<std::uint32_t>(zero_page + 0x218)} +
                              load_le<std::uint32_t>(zero_page + 0x21c);
    if (!image.initramfs.empty() && end > target.memory.size_bytes()) std::abort();
    target.memory.clear();
  } else if (loaded.error().message().empty()) {
    std::abort();
  }
  return 0;
}
