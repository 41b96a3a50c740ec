// What the boot loaders share: the state in which 64-bit code can be entered without firmware. Long
// mode, flat segments, the first 4 GiB mapped to themselves, interrupts off, no IDT.
//
// Source: Intel SDM volume 3A, 9.8.5 (IA-32e mode); Linux Documentation/arch/x86/boot.rst, "64-bit
// Boot Protocol" (selectors 10h and 18h).
#pragma once

#include <cstdint>

#include "emulator/cpu.h"
#include "emulator/memory.h"

namespace ftvm::boot {

/// Where to go. Units: guest-physical addresses, which are also virtual ones.
struct LongModeEntry {
  std::uint64_t rip;
  std::uint64_t rsp;
  std::uint64_t rsi = 0;
};

/// What enter_long_mode() writes: one page of GDT, and the page tables. A loader uses the rest.
inline constexpr std::uint64_t kGdtAt = 0x1000;
inline constexpr std::uint64_t kPageTablesAt = 0x30000;
inline constexpr std::uint64_t kPageTablesEnd = 0x36000;

/// Writes the tables and sets the registers. Precondition: the image is in place (translations of
/// anything in RAM are dropped here).
void enter_long_mode(const LongModeEntry& entry, GuestMemory& memory, Cpu& cpu);

}  // namespace ftvm::boot
