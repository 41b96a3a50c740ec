// An engine with RAM and nothing around it, to try single instructions on.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "emulator/base/assert.h"
#include "emulator/boot/long_mode.h"
#include "emulator/cpu.h"
#include "emulator/memory.h"
#include "emulator/unicorn/decode.h"

namespace ftvm::test {

/// Ports float, time stands still.
class EmptyBus final : public CpuBus {
 public:
  std::uint32_t port_read(std::uint16_t, unsigned, Tick) override { return ~0u; }
  void port_write(std::uint16_t, unsigned, std::uint32_t, Tick) override {}
  std::uint64_t time_stamp_counter(Tick) override { return 0; }
};

inline GuestMemory small_memory() {
  Result<GuestMemory> memory = GuestMemory::create(kRamBytesMin);
  FTVM_ASSERT(memory.has_value());
  return std::move(*memory);
}

/// Long mode with the first 4 GiB mapped to themselves, or a segment of 32 or 16 bits in it.
inline void enter(unicorn::CodeSize size, std::uint64_t rip, GuestMemory& memory, Cpu& cpu) {
  boot::enter_long_mode({.rip = rip, .rsp = 0x80000}, memory, cpu);
  if (size == unicorn::CodeSize::k64) return;
  CpuRegisters r = cpu.registers();
  r.segment[1].attributes = size == unicorn::CodeSize::k32 ? 0x00cf9b00 : 0x008f9b00;
  cpu.set_registers(r);
}

}  // namespace ftvm::test
