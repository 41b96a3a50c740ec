// Hexadecimal digits, small letters.
#pragma once

#include <cstdint>
#include <string>

#include "emulator/base/bytes.h"

namespace ftvm {

/// The low `digits` digits of a number, zeros in front. Range: digits is up to 16.
inline std::string hex(std::uint64_t value, unsigned digits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(digits, '0');
  for (unsigned i = 0; i < digits; ++i) text[digits - 1 - i] = kDigits[(value >> (4 * i)) & 15];
  return text;
}

/// Two digits a byte, in order.
inline std::string hex(ByteView bytes) {
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::uint8_t byte : bytes) text += hex(byte, 2);
  return text;
}

}  // namespace ftvm
