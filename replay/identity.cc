#include "replay/identity.h"

#include <array>
#include <string>
#include <string_view>

namespace ftvm::replay {
namespace {

constexpr std::size_t kShownMax = 200;  // Of a text. Units: bytes.

std::string shown(const std::string& text) {
  std::string out = "\"";
  for (const char c : text.substr(0, kShownMax)) {
    const bool printable = c >= ' ' && c <= '~';
    out += printable ? c : '?';
  }
  return out + (text.size() > kShownMax ? "...\"" : "\"");
}
std::string shown(const Digest& digest) {
  return digest.hex();
}
std::string shown(ClockMode mode) {
  return mode == ClockMode::kVirtual ? "virtual" : mode == ClockMode::kHost ? "host" : "unknown";
}
template <class Integer>
requires std::is_integral_v<Integer> std::string shown(Integer value) {
  return std::to_string(value);
}

}  // namespace

Status check_identity(const MachineIdentity& journal, const MachineIdentity& mine) {
  Status status;
  const auto compare = [&status](std::string_view field, const auto& theirs, const auto& ours) {
    if (!status || theirs == ours) return;
    status = Error(ErrorCode::kMismatch, std::string(field) + " is " + shown(theirs) +
                                             " there and " + shown(ours) + " here");
  };
  compare("format_version", journal.format_version, mine.format_version);
  compare("ftvm_version", journal.ftvm_version, mine.ftvm_version);
  compare("engine_version", journal.engine_version, mine.engine_version);
  compare("ram_bytes", journal.ram_bytes, mine.ram_bytes);
  compare("board", journal.board, mine.board);
  compare("command_line", journal.command_line, mine.command_line);
  compare("kernel", journal.kernel, mine.kernel);
  compare("initramfs", journal.initramfs, mine.initramfs);
  compare("boot_unix_s", journal.boot_unix_s, mine.boot_unix_s);
  compare("entropy_seed", journal.entropy_seed, mine.entropy_seed);
  compare("clock", journal.clock, mine.clock);
  compare("libm_probe", journal.libm_probe, mine.libm_probe);
  compare("digest_every_lines", journal.digest_every_lines, mine.digest_every_lines);
  return status;
}

}  // namespace ftvm::replay
