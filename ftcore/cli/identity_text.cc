#include "ftcore/cli/identity_text.h"

#include <cstdio>

namespace ftvm::cli {
namespace {

std::string hex64(std::uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

}  // namespace

std::string one_line(std::string_view bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\\') {
      out += "\\\\";
    } else if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

std::string hex_of(const std::array<std::uint8_t, 16>& id) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t byte : id) out += {kHex[byte >> 4], kHex[byte & 15]};
  return out;
}

std::vector<NamedText> identity_texts(const replay::MachineIdentity& identity) {
  const bool is_virtual = identity.clock == replay::ClockMode::kVirtual;
  return {{"format_version", std::to_string(identity.format_version)},
          {"ftvm_version", one_line(identity.ftvm_version)},
          {"engine_version", one_line(identity.engine_version)},
          {"ram_bytes", std::to_string(identity.ram_bytes)},
          {"board", one_line(identity.board)},
          {"command_line", one_line(identity.command_line)},
          {"kernel", identity.kernel.hex()},
          {"initramfs", identity.initramfs.hex()},
          {"boot_unix_s", std::to_string(identity.boot_unix_s)},
          {"entropy_seed", hex64(identity.entropy_seed)},
          {"clock", is_virtual ? "virtual" : "host"},
          {"libm_probe", hex64(identity.libm_probe)},
          {"digest_every_lines", std::to_string(identity.digest_every_lines)}};
}

}  // namespace ftvm::cli
