// Puts an unmodified x86-64 Linux bzImage into RAM and enters it through the 64-bit boot protocol:
// no firmware, identity-mapped first 4 GiB, zero page, command line, initramfs.
//
// Source: Linux Documentation/arch/x86/boot.rst ("64-bit Boot Protocol") and zero-page.rst.
#pragma once

#include <cstdint>
#include <string>

#include "emulator/base/bytes.h"
#include "emulator/base/result.h"
#include "emulator/cpu.h"
#include "emulator/memory.h"

namespace ftvm::boot {

struct LinuxImage {
  Bytes kernel;     // A bzImage, protocol 2.12 or newer, with a 64-bit entry.
  Bytes initramfs;  // May be empty.
  std::string command_line;
};

/// Errors: kBadData when the kernel is not such an image or a part does not fit (what, how large,
/// how much there is), with nothing written then.
Status load_linux(const LinuxImage& image, GuestMemory& memory, Cpu& cpu);

/// The checks of load_linux alone, for clear errors before anything else starts.
Status check_linux(const LinuxImage& image, std::uint64_t ram_bytes);

}  // namespace ftvm::boot
