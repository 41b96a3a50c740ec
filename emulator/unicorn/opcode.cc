#include "emulator/unicorn/opcode.h"

namespace ftvm::unicorn {

Prefixes parse_prefixes(ByteView code, CodeSize size) {
  Prefixes p;
  for (; p.length < code.size(); ++p.length) {
    const std::uint8_t byte = code[p.length];
    switch (byte) {
      case kRepne:
        p.repeat = byte;
        break;
      case kRep:
        if (p.repeat == 0) p.repeat = byte;
        break;
      case 0x66:
        p.operand_size = true;
        break;
      case 0x67:
        p.address_size = true;
        break;
      case 0x26:
      case 0x2e:
      case 0x36:
      case 0x3e:
      case 0x64:
      case 0x65:
      case 0xf0:
        break;
      default:
        if (size != CodeSize::k64 || (byte & 0xf0) != 0x40) return p;
        p.rex_w = (byte & 8) != 0;
        continue;
    }
    p.rex_w = false;  // A REX prefix that another one follows counts for nothing.
  }
  return p;
}

Opcode parse_opcode(ByteView code, CodeSize size) {
  Prefixes p = parse_prefixes(code, size);
  const auto at = [code](std::size_t i) { return i < code.size() ? code[i] : std::uint8_t{0}; };
  std::size_t i = p.length;
  const std::uint8_t first = at(i++);
  const bool vex =
      (first == 0xc4 || first == 0xc5) && (size == CodeSize::k64 || (at(i) & 0xc0) == 0xc0);
  if (vex) {
    unsigned map = 1;
    if (first == 0xc4) {
      map = at(i++) & 0x1f;
      p.rex_w = (at(i) & 0x80) != 0;
    }
    constexpr std::uint8_t kRepeats[] = {0, 0, kRep, kRepne};
    const unsigned prefix = at(i++) & 3;
    if (prefix == 1) p.operand_size = true;
    if (kRepeats[prefix] != 0) p.repeat = kRepeats[prefix];
    return {map, at(i), i + 1, p};
  }
  if (first != 0x0f) return {0, first, i, p};
  const std::uint8_t second = at(i++);
  if (second == 0x38) return {2, at(i), i + 1, p};
  if (second == 0x3a) return {3, at(i), i + 1, p};
  return {1, second, i, p};
}

}  // namespace ftvm::unicorn
