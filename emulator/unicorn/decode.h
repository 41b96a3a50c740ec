// Questions about instruction bytes that the library does not answer: where instructions begin,
// whether one is a repeated string operation, a port access, a CALL.
//
// Lengths are those that the library finds, which are not always the architecture's: it lets pass
// what a CPU refuses (LOCK, REX and VEX prefixes where they do not belong). A disassembler is no
// help: it refuses such encodings, too, and an index in a block that is off by one makes a wrong
// tick.
//
// Source: Intel SDM volume 2, 2.1 to 2.3 and appendix A (opcode maps); the exceptions are measured
// against libunicorn 2.1.4 by tests/unit/emulator/unicorn_decode_test.cc.
#pragma once

#include <cstdint>
#include <optional>

#include "emulator/base/bytes.h"

namespace ftvm::unicorn {

enum class CodeSize : std::uint8_t { k16, k32, k64 };

inline constexpr unsigned kInstructionBytesMax = 15;

/// Of the instruction at the beginning of `code`, of which all bytes are there, or 15. An opcode
/// that does not exist has some length. Range: 1 to kInstructionBytesMax.
unsigned instruction_length(ByteView code, CodeSize size);

/// Number of instructions that begin in [0, upto_bytes) of `code`.
unsigned count_instructions(ByteView code, std::size_t upto_bytes, CodeSize size);

/// Length of the last instruction of a block.
unsigned last_instruction_length(ByteView code, CodeSize size);

/// A repeated string instruction (REP MOVS, REPNE SCAS, REP INS...).
struct RepString {
  unsigned length_bytes;
  bool compares;             // CMPS and SCAS also end on ZF.
  bool while_equal;          // REPE, as opposed to REPNE.
  std::uint64_t count_mask;  // What of RCX counts.
};
std::optional<RepString> parse_rep_string(ByteView code, CodeSize size);

/// IN, OUT, INS or OUTS.
struct PortAccess {
  unsigned size_bytes;
  std::optional<std::uint8_t> port;  // DX when absent.
  bool repeated;
};
std::optional<PortAccess> parse_port_access(ByteView code, CodeSize size);

bool is_read_msr(ByteView code, CodeSize size);
/// CALL, near or far.
bool is_call(ByteView code, CodeSize size);
/// Jumps, calls, returns, repeated string instructions: what else retires goes on behind itself.
bool may_lead_to_itself(ByteView code, CodeSize size);
/// A bit test of a register with a LOCK prefix is refused by a CPU; the library dies of it. The
/// offset of its last opcode byte, which another byte makes invalid.
std::optional<std::size_t> refused_opcode(ByteView code, CodeSize size);
/// STI, MOV SS, POP SS: interrupts are held off until after the next instruction.
bool casts_interrupt_shadow(ByteView code, CodeSize size);

/// Whether a block holds RDMSR, or, when `ports` is set, a port access.
bool holds_stand_in(ByteView code, CodeSize size, bool ports);

}  // namespace ftvm::unicorn
