// Puts a flat 64-bit image into RAM and enters it at its first byte: the way in for small guests
// that are linked for one address and bring their own tables (tests/guest, examples).
//
// Deliberately not an ELF loader: there are no sections, no relocation and no arguments.
#pragma once

#include <cstdint>

#include "emulator/base/bytes.h"
#include "emulator/base/result.h"
#include "emulator/cpu.h"
#include "emulator/memory.h"

namespace ftvm::boot {

/// Where the image is loaded and entered. Units: bytes; guest-physical and virtual (long_mode.h).
inline constexpr std::uint64_t kFlatImageAt = 0x100000;
/// The stack grows down from here; the guest may move it.
inline constexpr std::uint64_t kFlatStackTop = 0x80000;

/// Errors: kBadData when the image is empty or does not fit, with nothing written then.
Status load_flat(ByteView image, GuestMemory& memory, Cpu& cpu);

}  // namespace ftvm::boot
