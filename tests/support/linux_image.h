// The smallest bzImage that the loader takes: a header, and a loaded part full of one byte.
#pragma once

#include <cstdint>

#include "emulator/base/bytes.h"
#include "emulator/boot/linux_loader.h"

namespace ftvm::test {

/// Of the file. Source: Linux Documentation/arch/x86/boot.rst.
inline constexpr std::size_t kSystemParagraphsAt = 0x1f4, kRamdiskLastAt = 0x22c;
inline constexpr std::size_t kXloadFlagsAt = 0x236, kInitSizeAt = 0x260;
inline constexpr std::size_t kLoadedPartAt = 0x400;
inline constexpr std::uint32_t kLoadedBytes = 0x1000, kInitBytes = 0x10000;

/// Range: loaded_bytes is a multiple of 16.
inline boot::LinuxImage small_linux(std::size_t loaded_bytes = kLoadedBytes) {
  boot::LinuxImage image{.kernel = Bytes(kLoadedPartAt + loaded_bytes, 0xcc)};
  Bytes& k = image.kernel;
  k[0x1f1] = 1;  // setup_sects
  store_le(&k[kSystemParagraphsAt], static_cast<std::uint32_t>(loaded_bytes / 16));
  k[0x201] = 0x66;  // The header ends at 268h.
  store_le<std::uint32_t>(&k[0x202], 0x53726448);
  store_le<std::uint16_t>(&k[0x206], 0x020f);
  store_le<std::uint32_t>(&k[kRamdiskLastAt], 0x7fffffff);
  store_le<std::uint16_t>(&k[kXloadFlagsAt], 1);
  store_le<std::uint32_t>(&k[0x238], 0x7ff);  // cmdline_size
  store_le(&k[kInitSizeAt], kInitBytes);
  return image;
}

}  // namespace ftvm::test
