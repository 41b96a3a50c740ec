// How an instruction begins: its prefixes and its opcode, as the library reads them.
//
// Source: Intel SDM volume 2, 2.1 to 2.3.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emulator/base/bytes.h"
#include "emulator/unicorn/decode.h"

namespace ftvm::unicorn {

inline constexpr std::uint8_t kRepne = 0xf2, kRep = 0xf3;

struct Prefixes {
  std::size_t length = 0;
  std::uint8_t repeat = 0;  // REPNE wins when both are there.
  bool address_size = false;
  bool operand_size = false;
  bool rex_w = false;
};

/// What comes before the opcode.
Prefixes parse_prefixes(ByteView code, CodeSize size);

/// An opcode with all that leads to it.
struct Opcode {
  unsigned map = 0;  // 0 is one byte, 1 is 0Fh, 2 is 0F38h, 3 is 0F3Ah.
  std::uint8_t byte = 0;
  std::size_t end = 0;
  Prefixes prefixes;  // With what a VEX prefix says.
};
Opcode parse_opcode(ByteView code, CodeSize size);

constexpr bool between(std::uint8_t opcode, std::uint8_t first, std::uint8_t last) {
  return opcode >= first && opcode <= last;
}

}  // namespace ftvm::unicorn
