// Instructions and registers in words, for people who want to know what a guest was doing.
// Deliberately not for the engines: a disassembler refuses what a CPU library runs
// (docs/adr/0006-two-engines.md).
#pragma once

#include <cstdint>
#include <string>

#include "emulator/base/bytes.h"
#include "emulator/cpu.h"
#include "emulator/memory.h"

namespace ftvm {

/// The instruction at the beginning of `code`, which is at `address`: "mov rbp, rsp", or "(bad)".
/// Range: 16, 32 or 64 bits.
std::string disassemble(ByteView code, std::uint64_t address, unsigned bits);

/// What the CPU does next: "rip 1000: 48 89 e5  mov rbp, rsp". Changes nothing. Lifetime: `memory`
/// is the CPU's.
std::string next_instruction(const Cpu& cpu, GuestMemory& memory);

/// All registers, one line for four of them, each line indented and begun by a line feed.
std::string register_text(const CpuRegisters& registers);

}  // namespace ftvm
