#include "emulator/unicorn/decode.h"

#include <algorithm>

#include "emulator/unicorn/opcode.h"

namespace ftvm::unicorn {
namespace {

bool is_string(std::uint8_t opcode) {
  return between(opcode, 0xa4, 0xa7) || between(opcode, 0xaa, 0xaf) || between(opcode, 0x6c, 0x6f);
}
bool is_compare_string(std::uint8_t opcode) {
  return opcode == 0xa6 || opcode == 0xa7 || opcode == 0xae || opcode == 0xaf;
}

}  // namespace

std::optional<RepString> parse_rep_string(ByteView code, CodeSize size) {
  const Prefixes p = parse_prefixes(code, size);
  if (p.repeat == 0 || p.length >= code.size()) return std::nullopt;
  const std::uint8_t opcode = code[p.length];
  if (!is_string(opcode)) return std::nullopt;
  constexpr std::uint64_t kCx = 0xffff, kEcx = 0xffff'ffff, kRcx = ~0ull;
  std::uint64_t mask = kRcx;
  if (size == CodeSize::k64) mask = p.address_size ? kEcx : kRcx;
  if (size == CodeSize::k32) mask = p.address_size ? kCx : kEcx;
  if (size == CodeSize::k16) mask = p.address_size ? kEcx : kCx;
  return RepString{static_cast<unsigned>(p.length + 1), is_compare_string(opcode), p.repeat == kRep,
                   mask};
}

std::optional<PortAccess> parse_port_access(ByteView code, CodeSize size) {
  const Prefixes p = parse_prefixes(code, size);
  if (p.length >= code.size()) return std::nullopt;
  const std::uint8_t opcode = code[p.length];
  const bool string = between(opcode, 0x6c, 0x6f);     // INS, OUTS
  const bool immediate = between(opcode, 0xe4, 0xe7);  // IN, OUT with imm8
  if (!string && !immediate && !between(opcode, 0xec, 0xef)) return std::nullopt;
  PortAccess access{.size_bytes = 1, .port = std::nullopt, .repeated = string && p.repeat != 0};
  if ((opcode & 1) != 0) {
    const bool word = p.operand_size != (size == CodeSize::k16) && !p.rex_w;
    access.size_bytes = word ? 2 : 4;
  }
  if (immediate) {
    if (p.length + 1 >= code.size()) return std::nullopt;
    access.port = code[p.length + 1];
  }
  return access;
}

bool is_read_msr(ByteView code, CodeSize size) {
  const Prefixes p = parse_prefixes(code, size);
  return p.length + 1 < code.size() && code[p.length] == 0x0f && code[p.length + 1] == 0x32;
}

bool is_call(ByteView code, CodeSize size) {
  const Prefixes p = parse_prefixes(code, size);
  if (p.length + 1 >= code.size()) return false;
  const std::uint8_t opcode = code[p.length];
  const unsigned reg = (code[p.length + 1] >> 3) & 7;
  return opcode == 0xe8 || opcode == 0x9a || (opcode == 0xff && (reg == 2 || reg == 3));
}

bool may_lead_to_itself(ByteView code, CodeSize size) {
  const Opcode opcode = parse_opcode(code, size);
  const unsigned reg = opcode.end < code.size() ? (code[opcode.end] >> 3) & 7 : 0;
  const std::uint8_t byte = opcode.byte;
  if (opcode.map == 1) {  // SYSCALL, SYSRET, SYSENTER, SYSEXIT, Jcc
    return byte == 0x05 || byte == 0x07 || byte == 0x34 || byte == 0x35 ||
           between(byte, 0x80, 0x8f);
  }
  if (opcode.map != 0) return false;
  if (byte == 0xff) return between(static_cast<std::uint8_t>(reg), 2, 5);
  return between(byte, 0x70, 0x7f) || between(byte, 0xe0, 0xe3) || between(byte, 0xe8, 0xeb) ||
         byte == 0x9a || byte == 0xc2 || byte == 0xc3 || between(byte, 0xca, 0xcf) ||
         parse_rep_string(code, size);
}

std::optional<std::size_t> refused_opcode(ByteView code, CodeSize size) {
  constexpr std::uint8_t kLock = 0xf0;
  const Opcode opcode = parse_opcode(code, size);
  if (opcode.map != 1 || opcode.end >= code.size() || code[opcode.end] < 0xc0) return std::nullopt;
  const ByteView prefixes = code.first(opcode.prefixes.length);
  if (std::find(prefixes.begin(), prefixes.end(), kLock) == prefixes.end()) return std::nullopt;
  switch (opcode.byte) {
    case 0xa3:  // BT, BTS, BTR, BTC
    case 0xab:
    case 0xb3:
    case 0xbb:
    case 0xba:
      return opcode.end - 1;
    default:
      return std::nullopt;
  }
}

bool casts_interrupt_shadow(ByteView code, CodeSize size) {
  const Prefixes p = parse_prefixes(code, size);
  if (p.length >= code.size()) return false;
  const std::uint8_t opcode = code[p.length];
  if (opcode == 0xfb) return true;                   // STI
  if (opcode == 0x17) return size != CodeSize::k64;  // POP SS
  if (opcode != 0x8e || p.length + 1 >= code.size()) return false;
  return ((code[p.length + 1] >> 3) & 7) == 2;  // MOV SS, r/m
}

bool holds_stand_in(ByteView code, CodeSize size, bool ports) {
  // Most blocks are told apart by their bytes; the rest are walked through.
  const auto opcode = [ports](std::uint8_t byte) {
    const bool port =
        between(byte, 0x6c, 0x6f) || between(byte, 0xe4, 0xe7) || between(byte, 0xec, 0xef);
    return byte == 0x32 || (ports && port);
  };
  if (std::none_of(code.begin(), code.end(), opcode)) return false;
  for (std::size_t at = 0; at < code.size();) {
    const ByteView here = code.subspan(at);
    if (is_read_msr(here, size) || (ports && parse_port_access(here, size))) return true;
    at += instruction_length(here, size);
  }
  return false;
}

}  // namespace ftvm::unicorn
