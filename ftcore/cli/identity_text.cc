#include "ftcore/cli/identity_text.h"

#include "emulator/base/hex.h"

namespace ftvm::cli {

std::string one_line(std::string_view bytes) {
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
      out += "\\x" + hex(byte, 2);
    }
  }
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
          {"entropy_seed", hex(identity.entropy_seed, 16)},
          {"clock", is_virtual ? "virtual" : "host"},
          {"libm_probe", hex(identity.libm_probe, 16)},
          {"digest_every_lines", std::to_string(identity.digest_every_lines)}};
}

}  // namespace ftvm::cli
