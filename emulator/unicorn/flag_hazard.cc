#include "emulator/unicorn/flag_hazard.h"

#include "emulator/unicorn/opcode.h"

namespace ftvm::unicorn {
namespace {

/// What an instruction does to what the library knows about flags.
enum class Effect : std::uint8_t { kKeeps, kTracks, kForgets };

struct ModRm {
  bool memory;
  unsigned reg;
};
ModRm modrm_of(ByteView code, const Opcode& opcode) {
  const std::uint8_t byte = opcode.end < code.size() ? code[opcode.end] : std::uint8_t{0};
  return {byte < 0xc0, (byte >> 3) & 7u};
}

/// Shifts and rotations by a constant: of nothing when its low bits are 0.
Effect shift_effect(ByteView code, const Opcode& opcode, CodeSize size) {
  const unsigned reg = modrm_of(code, opcode).reg;
  if (reg == 2 || reg == 3) return Effect::kForgets;  // RCL, RCR
  unsigned count = 1;
  if (opcode.byte <= 0xc1) {
    const unsigned length = instruction_length(code, size);
    if (length <= code.size()) count = code[length - 1];
  }
  const bool wide = opcode.byte % 2 == 1 && opcode.prefixes.rex_w;
  return (count & (wide ? 0x3f : 0x1f)) == 0 ? Effect::kKeeps : Effect::kTracks;
}

Effect one_byte_effect(ByteView code, const Opcode& opcode, CodeSize size) {
  const std::uint8_t byte = opcode.byte;
  const unsigned reg = modrm_of(code, opcode).reg;
  if (byte < 0x40) {
    if ((byte & 7) < 6) return Effect::kTracks;
    return byte >= 0x27 && (byte & 7) == 7 ? Effect::kForgets
                                           : Effect::kKeeps;  // DAA and its like.
  }
  if (between(byte, 0x40, 0x4f) || between(byte, 0x80, 0x85)) return Effect::kTracks;
  switch (byte) {
    case 0x69:  // IMUL
    case 0x6b:
    case 0xa6:  // CMPS, TEST, SCAS
    case 0xa7:
    case 0xa8:
    case 0xa9:
    case 0xae:
    case 0xaf:
    case 0xd4:  // AAM, AAD
    case 0xd5:
      return Effect::kTracks;
    case 0xc0:
    case 0xc1:
    case 0xd0:
    case 0xd1:
      return shift_effect(code, opcode, size);
    case 0xf6:  // TEST, NOT, NEG, MUL, IMUL, DIV, IDIV
    case 0xf7:
      return reg == 2 || reg > 5 ? Effect::kKeeps : Effect::kTracks;
    case 0xfe:  // INC, DEC
    case 0xff:
      return reg < 2 ? Effect::kTracks : Effect::kKeeps;
    case 0x63:  // ARPL
      return size == CodeSize::k64 ? Effect::kKeeps : Effect::kForgets;
    case 0x9d:  // POPF, SAHF, shifts by CL, CMC, CLC, STC
    case 0x9e:
    case 0xd2:
    case 0xd3:
    case 0xf5:
    case 0xf8:
    case 0xf9:
      return Effect::kForgets;
    case 0xdb:  // FUCOMI, FCOMI
    case 0xdf:
      return !modrm_of(code, opcode).memory && (reg == 5 || reg == 6) ? Effect::kForgets
                                                                      : Effect::kKeeps;
    default:
      return Effect::kKeeps;
  }
}

Effect two_byte_effect(ByteView code, const Opcode& opcode) {
  switch (opcode.byte) {
    case 0xaf:  // IMUL, CMPXCHG, POPCNT, BSF, BSR, XADD
    case 0xb0:
    case 0xb1:
    case 0xb8:
    case 0xbc:
    case 0xbd:
    case 0xc0:
    case 0xc1:
      return Effect::kTracks;
    case 0x02:  // LAR, LSL, UCOMISS, COMISS, SHLD, SHRD
    case 0x03:
    case 0x2e:
    case 0x2f:
    case 0xa4:
    case 0xa5:
    case 0xac:
    case 0xad:
    case 0xa3:  // Bit tests: see has_hazard_inside().
    case 0xab:
    case 0xb3:
    case 0xba:
    case 0xbb:
      return Effect::kForgets;
    case 0x00:  // VERR, VERW
      return modrm_of(code, opcode).reg >= 4 ? Effect::kForgets : Effect::kKeeps;
    case 0xc7:  // CMPXCHG8B, CMPXCHG16B
      return modrm_of(code, opcode).reg == 1 ? Effect::kForgets : Effect::kKeeps;
    default:
      return Effect::kKeeps;
  }
}

Effect flag_effect(ByteView code, CodeSize size) {
  const Opcode opcode = parse_opcode(code, size);
  switch (opcode.map) {
    case 0:
      return one_byte_effect(code, opcode, size);
    case 1:
      return two_byte_effect(code, opcode);
    case 2:  // ANDN to ADOX; PTEST.
      if (between(opcode.byte, 0xf2, 0xf7)) return Effect::kTracks;
      return opcode.byte == 0x17 ? Effect::kForgets : Effect::kKeeps;
    default:  // PCMPESTRM and its like.
      return between(opcode.byte, 0x60, 0x63) ? Effect::kForgets : Effect::kKeeps;
  }
}

}  // namespace

FlagHazard flag_hazard(ByteView code, CodeSize size) {
  const Opcode opcode = parse_opcode(code, size);
  const ModRm modrm = modrm_of(code, opcode);
  if (opcode.map == 0) {
    if (opcode.byte == 0xe0 || opcode.byte == 0xe1) return FlagHazard::kAlone;  // LOOPNE, LOOPE
    const bool shifts =
        opcode.byte == 0xc0 || opcode.byte == 0xc1 || between(opcode.byte, 0xd0, 0xd3);
    const bool through_carry = modrm.reg == 2 || modrm.reg == 3;
    return shifts && through_carry && modrm.memory ? FlagHazard::kAlone : FlagHazard::kNone;
  }
  if (opcode.map != 1) return FlagHazard::kNone;
  switch (opcode.byte) {
    case 0xa3:
    case 0xab:
    case 0xb3:
    case 0xba:
    case 0xbb:
      return FlagHazard::kBitTest;
    default:
      return between(opcode.byte, 0x90, 0x9f) && modrm.memory ? FlagHazard::kSetMemory
                                                              : FlagHazard::kNone;
  }
}

bool tracks_flags(ByteView code, CodeSize size) {
  bool tracks = false;
  for (std::size_t at = 0; at < code.size(); at += instruction_length(code.subspan(at), size)) {
    const Effect effect = flag_effect(code.subspan(at), size);
    if (effect != Effect::kKeeps) tracks = effect == Effect::kTracks;
  }
  return tracks;
}

bool set_memory_settles(ByteView block, std::size_t at, CodeSize size, std::uint32_t cc_op) {
  const Opcode opcode = parse_opcode(block.subspan(at), size);
  // Conditions come in pairs of one and its opposite.
  constexpr unsigned kOverflow = 0, kCarry = 1, kZero = 2, kSign = 4, kParity = 5;
  const unsigned condition = (opcode.byte & 0xf) / 2;
  if (condition == kCarry) return false;
  if (!tracks_flags(block.first(at), size)) return true;
  // Forms of a comparison answer all but these two; others only zero and sign; the last ones
  // overflow.
  constexpr std::uint32_t kSubtract8 = 14, kSubtract64 = 17, kAdox = 47;
  if (condition == kParity) return true;
  if (condition == kOverflow) return cc_op < kAdox;
  if (cc_op >= kSubtract8 && cc_op <= kSubtract64) return false;
  return condition != kZero && condition != kSign;
}

bool has_hazard_inside(ByteView block, CodeSize size) {
  for (std::size_t at = 0; at < block.size(); at += instruction_length(block.subspan(at), size)) {
    const FlagHazard hazard = flag_hazard(block.subspan(at), size);
    if (hazard == FlagHazard::kAlone) return true;
    if (hazard == FlagHazard::kBitTest && tracks_flags(block.first(at), size)) return true;
  }
  return false;
}

}  // namespace ftvm::unicorn
