// Lengths of instructions: opcode maps as tables of what follows an opcode.
//
// Source: Intel SDM volume 2, appendix A (opcode maps) and 2.1.5 (ModRM and SIB).
#include <algorithm>

#include "emulator/unicorn/decode.h"
#include "emulator/unicorn/opcode.h"

namespace ftvm::unicorn {
namespace {

/// What follows an opcode.
struct Format {
  bool modrm = false;
  unsigned immediate_bytes = 0;
  bool immediate_z = false;  // 2 or 4 bytes by operand size, besides.
};
constexpr Format kBare{}, kModrm{true};

constexpr Format immediate(unsigned bytes) {
  return {false, bytes};
}
constexpr Format modrm_immediate(unsigned bytes) {
  return {true, bytes};
}
constexpr Format kImmediateZ{false, 0, true}, kModrmImmediateZ{true, 0, true};

/// `reg` is the middle field of what would be the ModRM byte.
Format one_byte_format(std::uint8_t opcode, unsigned reg) {
  if (opcode < 0x40) {
    switch (opcode & 7) {
      case 4:
        return immediate(1);
      case 5:
        return kImmediateZ;
      default:
        return (opcode & 4) == 0 ? kModrm : kBare;
    }
  }
  if (between(opcode, 0x70, 0x7f) || between(opcode, 0xb0, 0xb7) || between(opcode, 0xe0, 0xe7)) {
    return immediate(1);
  }
  if (between(opcode, 0x84, 0x8f) || between(opcode, 0xd0, 0xd3) || between(opcode, 0xd8, 0xdf)) {
    return kModrm;
  }
  switch (opcode) {
    case 0x62:
    case 0x63:
    case 0xc4:
    case 0xc5:
    case 0xfe:
    case 0xff:
      return kModrm;
    case 0x68:
    case 0xa9:
    case 0xe8:
    case 0xe9:
      return kImmediateZ;
    case 0x69:
    case 0x81:
    case 0xc7:
      return kModrmImmediateZ;
    case 0x6a:
    case 0xa8:
    case 0xcd:
    case 0xd4:
    case 0xd5:
    case 0xeb:
      return immediate(1);
    case 0x6b:
    case 0x80:
    case 0x82:
    case 0x83:
    case 0xc0:
    case 0xc1:
    case 0xc6:
      return modrm_immediate(1);
    case 0xc2:
    case 0xca:
      return immediate(2);
    case 0xc8:
      return immediate(3);
    case 0x9a:
    case 0xea:
      return {false, 2, true};
    case 0xf6:
      return reg < 2 ? modrm_immediate(1) : kModrm;
    case 0xf7:
      return reg < 2 ? kModrmImmediateZ : kModrm;
    default:
      return kBare;
  }
}

Format two_byte_format(std::uint8_t opcode, const Prefixes& p) {
  if (between(opcode, 0x80, 0x8f)) return kImmediateZ;
  if (between(opcode, 0x30, 0x37) || between(opcode, 0xc8, 0xcf) || between(opcode, 0x04, 0x0c) ||
      between(opcode, 0xa0, 0xa2) || between(opcode, 0xa8, 0xaa)) {
    return kBare;
  }
  switch (opcode) {
    case 0x0e:
    case 0x77:
      return kBare;
    case 0x0f:
    case 0x70:
    case 0x71:
    case 0x72:
    case 0x73:
    case 0xa4:
    case 0xac:
    case 0xba:
    case 0xc2:
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return modrm_immediate(1);
    case 0x78:  // EXTRQ and INSERTQ have two.
      return p.operand_size || p.repeat == kRepne ? modrm_immediate(2) : kModrm;
    default:
      return kModrm;
  }
}

/// These take any ModRM for a register, even if it says memory.
bool takes_only_registers(std::uint8_t opcode, const Prefixes& p) {
  switch (opcode) {
    case 0x20:  // MOV to and from CR and DR
    case 0x21:
    case 0x22:
    case 0x23:
    case 0x50:  // MOVMSKPS
    case 0x71:  // Shifts of MMX registers
    case 0x72:
    case 0x73:
      return true;
    case 0x78:  // EXTRQ, INSERTQ
      return p.operand_size || p.repeat == kRepne;
    case 0xd6:  // MOVQ2DQ, MOVDQ2Q
      return !p.operand_size && p.repeat != 0;
    default:
      return false;
  }
}

/// Bytes of ModRM, SIB and displacement.
std::size_t modrm_bytes(ByteView code, std::size_t at, CodeSize size, bool address_size) {
  if (at >= code.size()) return 1;
  const unsigned mode = code[at] >> 6, rm = code[at] & 7;
  if (mode == 3) return 1;
  const bool address16 = size != CodeSize::k64 && (size == CodeSize::k16) != address_size;
  if (address16) {
    if (mode == 0) return rm == 6 ? 3 : 1;
    return mode == 1 ? 2 : 3;
  }
  std::size_t bytes = mode == 1 ? 2 : mode == 2 ? 5 : 1;
  if (rm == 4) {
    const bool base_is_displacement = at + 1 < code.size() && (code[at + 1] & 7) == 5;
    bytes += mode == 0 && base_is_displacement ? 5 : 1;
  } else if (mode == 0 && rm == 5) {
    bytes += 4;
  }
  return bytes;
}

}  // namespace

unsigned instruction_length(ByteView code, CodeSize size) {
  const Opcode opcode = parse_opcode(code, size);
  const Prefixes& p = opcode.prefixes;
  const unsigned reg = opcode.end < code.size() ? (code[opcode.end] >> 3) & 7 : 0;
  Format format = kModrm;
  if (opcode.map == 0) format = one_byte_format(opcode.byte, reg);
  if (opcode.map == 1) format = two_byte_format(opcode.byte, p);
  if (opcode.map == 3) format = modrm_immediate(1);

  std::size_t length = opcode.end + format.immediate_bytes;
  const bool only_registers = opcode.map == 1 && takes_only_registers(opcode.byte, p);
  if (format.modrm)
    length += only_registers ? 1 : modrm_bytes(code, opcode.end, size, p.address_size);
  const bool operand16 = !p.rex_w && (size == CodeSize::k16) != p.operand_size;
  if (format.immediate_z) length += operand16 ? 2 : 4;
  if (opcode.map == 0 && between(opcode.byte, 0xb8, 0xbf))
    length += p.rex_w ? 8 : operand16 ? 2 : 4;
  if (opcode.map == 0 && between(opcode.byte, 0xa0, 0xa3)) {
    const bool address16 = size != CodeSize::k64 && (size == CodeSize::k16) != p.address_size;
    length += size == CodeSize::k64 && !p.address_size ? 8 : address16 ? 2 : 4;
  }
  return static_cast<unsigned>(std::min<std::size_t>(length, kInstructionBytesMax));
}

unsigned count_instructions(ByteView code, std::size_t upto_bytes, CodeSize size) {
  unsigned n = 0;
  for (std::size_t at = 0; at < std::min(upto_bytes, code.size()); ++n) {
    at += instruction_length(code.subspan(at), size);
  }
  return n;
}

unsigned last_instruction_length(ByteView code, CodeSize size) {
  unsigned length = 0;
  for (std::size_t at = 0; at < code.size(); at += length) {
    length = instruction_length(code.subspan(at), size);
  }
  return length;
}

}  // namespace ftvm::unicorn
