// Source: RFC 3629, section 4 (which sequences are UTF-8).
#include "ftcore/transport/wire_text.h"

#include <cstdint>

namespace ftvm::ftcore {
namespace {

struct Char {
  std::size_t size_bytes = 1;
  bool valid = false;
  bool control = false;
};

std::uint32_t byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

/// The character at the start of `text`, which is not empty.
Char first_char(std::string_view text) {
  const std::uint32_t lead = byte_at(text, 0);
  if (lead < 0x80) return {1, true, lead < 0x20 || lead == 0x7f};
  std::size_t size = 0;
  std::uint32_t code = 0;
  std::uint32_t code_min = 0;  // Anything lower has a shorter form, and only that one is UTF-8.
  if ((lead & 0xe0) == 0xc0) {
    size = 2, code = lead & 0x1f, code_min = 0x80;
  } else if ((lead & 0xf0) == 0xe0) {
    size = 3, code = lead & 0x0f, code_min = 0x800;
  } else if ((lead & 0xf8) == 0xf0) {
    size = 4, code = lead & 0x07, code_min = 0x10000;
  } else {
    return {};
  }
  if (text.size() < size) return {};
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte_at(text, i) & 0xc0) != 0x80) return {};
    code = (code << 6) | (byte_at(text, i) & 0x3f);
  }
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < code_min || code > 0x10ffff || surrogate) return {};
  return {size, true, code < 0xa0};
}

}  // namespace

bool is_clean_text(std::string_view text) {
  while (!text.empty()) {
    const Char next = first_char(text);
    if (!next.valid || next.control) return false;
    text.remove_prefix(next.size_bytes);
  }
  return true;
}

std::string clean_text(std::string_view text, std::size_t bytes_max) {
  std::string out;
  while (!text.empty()) {
    const Char next = first_char(text);
    const bool keep = next.valid && !next.control;
    const std::string_view piece = keep ? text.substr(0, next.size_bytes) : next.valid ? " " : "?";
    if (out.size() + piece.size() > bytes_max) break;
    out += piece;
    text.remove_prefix(next.size_bytes);
  }
  return out;
}

}  // namespace ftvm::ftcore
