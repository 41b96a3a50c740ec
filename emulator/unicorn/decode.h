// Questions about instruction bytes that the library does not answer: how many instructions lie
// before an address, what the last one of a block is, whether one is a repeated string operation.
// Capstone decodes. Threading: vCPU thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "emulator/base/bytes.h"

namespace ftvm::unicorn {

enum class CodeSize : std::uint8_t { k16, k32, k64 };

/// A repeated string instruction (REP MOVS, REPNE SCAS, REP INS...).
struct RepString {
  unsigned length_bytes;
  bool compares;        // CMPS and SCAS also end on ZF.
  bool while_equal;     // REPE, as opposed to REPNE.
  std::uint64_t count_mask;  // What of RCX counts.
};

/// IN, OUT, INS or OUTS.
struct PortAccess {
  unsigned size_bytes;
  std::optional<std::uint8_t> port;  // DX when absent.
  bool repeated;
};

inline constexpr unsigned kInstructionBytesMax = 15;

class Decoder {
 public:
  Decoder();
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// Instructions that begin in [0, upto_bytes) of `code`. An undecodable one counts as one and
  /// ends the walk (it can only be the last of a block).
  unsigned count(ByteView code, std::size_t upto_bytes, CodeSize size);

  /// Length of the last instruction of `code`; 0 when nothing decodes.
  unsigned last_length(ByteView code, CodeSize size);

  /// Length of the first instruction, or nothing when `code` ends too early or is invalid.
  std::optional<unsigned> length(ByteView code, CodeSize size);

  /// Whether a block holds RDMSR, or, when `ports` is set, a port access.
  bool holds_stand_in(ByteView code, CodeSize size, bool ports);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Prefix parsing only; no library needed.
std::optional<RepString> parse_rep_string(ByteView code, CodeSize size);
std::optional<PortAccess> parse_port_access(ByteView code, CodeSize size);
bool is_read_msr(ByteView code, CodeSize size);
/// CALL, near or far.
bool is_call(ByteView code, CodeSize size);
/// STI, MOV SS, POP SS: interrupts are held off until after the next instruction.
bool casts_interrupt_shadow(ByteView code, CodeSize size);

}  // namespace ftvm::unicorn
