#include "emulator/boot/linux_loader.h"

#include <algorithm>
#include <cstring>

#include "emulator/boot/long_mode.h"

namespace ftvm::boot {
namespace {

// Where things go. All below 1 MiB but the kernel and the initramfs.
constexpr std::uint64_t kStackTop = 0x9000;
constexpr std::uint64_t kZeroPageAt = 0x10000;
constexpr std::uint64_t kCommandLineAt = 0x20000;
constexpr std::uint64_t kLowRamEnd = 0x9fc00;
constexpr std::uint64_t kHighRamBegin = 0x100000;
constexpr std::uint64_t kKernelAt = 0x1000000;

// Offsets in the setup header and the zero page.
constexpr std::size_t kSetupSectors = 0x1f1, kHeaderBegin = 0x1f1, kHeaderJump = 0x201;
constexpr std::size_t kSystemParagraphs = 0x1f4;  // Of the protected-mode part.
constexpr std::size_t kMagic = 0x202, kVersion = 0x206, kLoaderType = 0x210, kLoadFlags = 0x211;
constexpr std::size_t kRamdiskImage = 0x218, kRamdiskSize = 0x21c, kCommandLinePointer = 0x228;
constexpr std::size_t kRamdiskLast = 0x22c;
constexpr std::size_t kXloadFlags = 0x236, kCommandLineSize = 0x238, kInitSize = 0x260;
constexpr std::size_t kE820Count = 0x1e8, kE820Table = 0x2d0, kE820EntryBytes = 20;
constexpr std::uint32_t kMagicHdrS = 0x53726448;
constexpr std::uint16_t kVersionMin = 0x020c;
constexpr std::uint16_t kXloadKernel64 = 1, kXloadAbove4G = 2;
constexpr std::uint64_t kEntry64 = 0x200;

constexpr std::uint64_t kSectorBytes = 512, kParagraphBytes = 16;
constexpr std::uint32_t kTypeRam = 1, kTypeReserved = 2;

struct Layout {
  std::uint64_t kernel_file_offset;  // Of the protected-mode part, which goes to the file's end.
  std::uint64_t initramfs_at;        // 0 when there is none.
};

constexpr std::uint64_t whole_pages(std::uint64_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

Error bad(std::string what) {
  return {ErrorCode::kBadData, std::move(what)};
}
std::string mib(std::uint64_t bytes) {
  return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB";
}

/// Where in the file the protected-mode part begins.
Result<std::uint64_t> check_kernel(const Bytes& k) {
  constexpr std::size_t kHeaderEnd = 0x268;
  if (k.size() < kHeaderEnd) return bad("kernel: too short to be a bzImage");
  if (load_le<std::uint32_t>(&k[kMagic]) != kMagicHdrS) {
    return bad("kernel: not a Linux bzImage (no \"HdrS\" at 0x202)");
  }
  if (load_le<std::uint16_t>(&k[kVersion]) < kVersionMin) {
    return bad("kernel: boot protocol older than 2.12");
  }
  if ((load_le<std::uint16_t>(&k[kXloadFlags]) & kXloadKernel64) == 0) {
    return bad("kernel: no 64-bit entry (a 32-bit kernel?)");
  }
  const std::uint64_t sectors = k[kSetupSectors] == 0 ? 4 : k[kSetupSectors];
  const std::uint64_t offset = (sectors + 1) * kSectorBytes;
  // More may follow: a signature, for example.
  const std::uint64_t size_bytes =
      offset +
      std::max(load_le<std::uint32_t>(&k[kSystemParagraphs]) * kParagraphBytes, kEntry64 + 1);
  if (k.size() < size_bytes) {
    return bad("kernel: cut off, " + std::to_string(k.size()) + " of " +
               std::to_string(size_bytes) + " bytes");
  }
  return offset;
}

Result<Layout> plan(const LinuxImage& image, std::uint64_t ram_bytes) {
  const Bytes& k = image.kernel;
  const std::uint64_t offset = FTVM_TRY(check_kernel(k));
  if (image.command_line.size() > load_le<std::uint32_t>(&k[kCommandLineSize])) {
    return bad("command line: longer than this kernel takes");
  }
  if (image.command_line.size() + 1 > kPageTablesAt - kCommandLineAt)
    return bad("command line: too long");
  const std::uint64_t kernel_end =
      kKernelAt + std::max<std::uint64_t>(load_le<std::uint32_t>(&k[kInitSize]), k.size() - offset);
  const bool anywhere = (load_le<std::uint16_t>(&k[kXloadFlags]) & kXloadAbove4G) != 0;
  const std::uint64_t last = load_le<std::uint32_t>(&k[kRamdiskLast]);
  const std::uint64_t reach =
      anywhere ? ram_bytes : std::min(ram_bytes, (last + 1) / kPageBytes * kPageBytes);
  const std::uint64_t initramfs_bytes = whole_pages(image.initramfs.size());
  const std::uint64_t needed = kernel_end + initramfs_bytes + (1 << 20);
  if (needed > ram_bytes) {
    return bad("RAM: " + mib(ram_bytes) + " is too small; this kernel and initramfs need " +
               mib(needed));
  }
  if (image.initramfs.empty()) return Layout{offset, 0};
  if (needed > reach) {
    return bad("initramfs: this kernel takes none that reaches beyond " + mib(reach) +
               ", this one needs " + mib(needed));
  }
  return Layout{offset, reach - initramfs_bytes - (1 << 20)};
}

void put_e820(std::uint8_t* zero_page, std::uint64_t begin, std::uint64_t end, std::uint32_t type) {
  std::uint8_t* entry = zero_page + kE820Table + kE820EntryBytes * zero_page[kE820Count]++;
  store_le<std::uint64_t>(entry, begin);
  store_le<std::uint64_t>(entry + 8, end - begin);
  store_le<std::uint32_t>(entry + 16, type);
}

void put_zero_page(const LinuxImage& image, const Layout& layout, GuestMemory& memory) {
  std::uint8_t* zero_page = memory.data() + kZeroPageAt;
  const std::size_t header_end = kMagic + image.kernel[kHeaderJump];
  std::memcpy(zero_page + kHeaderBegin, &image.kernel[kHeaderBegin], header_end - kHeaderBegin);
  zero_page[kLoaderType] = 0xff;  // "Undefined", as the protocol asks of loaders without a number.
  zero_page[kLoadFlags] |= 1;     // Loaded high.
  store_le<std::uint32_t>(zero_page + kCommandLinePointer, kCommandLineAt);
  // Also when there is none: the file may say anything there.
  store_le(zero_page + kRamdiskImage, static_cast<std::uint32_t>(layout.initramfs_at));
  store_le(zero_page + kRamdiskSize, static_cast<std::uint32_t>(image.initramfs.size()));
  put_e820(zero_page, 0, kLowRamEnd, kTypeRam);
  put_e820(zero_page, kLowRamEnd, kHighRamBegin, kTypeReserved);
  put_e820(zero_page, kHighRamBegin, memory.size_bytes(), kTypeRam);
}

}  // namespace

Status check_linux(const LinuxImage& image, std::uint64_t ram_bytes) {
  FTVM_TRY(plan(image, ram_bytes));
  return {};
}

Status load_linux(const LinuxImage& image, GuestMemory& memory, Cpu& cpu) {
  const Layout layout = FTVM_TRY(plan(image, memory.size_bytes()));
  const std::uint64_t offset = layout.kernel_file_offset;
  std::memcpy(memory.data() + kKernelAt, image.kernel.data() + offset,
              image.kernel.size() - offset);
  // Not memcpy: without an initramfs there is nothing to copy, and its source is a null pointer.
  std::ranges::copy(image.initramfs, memory.data() + layout.initramfs_at);
  std::memcpy(memory.data() + kCommandLineAt, image.command_line.c_str(),
              image.command_line.size() + 1);
  put_zero_page(image, layout, memory);
  enter_long_mode({.rip = kKernelAt + kEntry64, .rsp = kStackTop, .rsi = kZeroPageAt}, memory, cpu);
  return {};
}

}  // namespace ftvm::boot
