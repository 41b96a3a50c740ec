// Everything a user can say, on the command line or in one TOML file, as one struct. Both sides of
// a pair are started from the same file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ftvm::cli {

inline constexpr std::uint64_t kRamMibDefault = 256;
inline constexpr std::uint32_t kDigestEveryDefault = 16;

struct MachineOptions {
  std::string kernel;
  std::string initramfs;
  /// Defaults to what Debian's cloud kernel needs on this board; `append` is added behind.
  std::string command_line;
  std::string append;
  std::optional<std::uint64_t> ram_mib;
  std::string clock;            // "virtual" or "host"; empty is the command's default.
  std::string engine = "auto";  // "auto", "accelerated" or "portable".
  std::uint32_t translation_buffer_mib = 0;
  std::optional<std::int64_t> rtc;  // Seconds since 1970; default: now (host clock) or 2000-01-01.
  bool no_reboot = false;
  std::optional<std::uint32_t> digest_every;  // Grid lines between digests; 0 is never.
  std::string snapshot;                       // Start from it instead of power-on.
};

struct PairOptions {
  std::string name = "ftvm";  // Of the pair, for the console's clients.
  std::string channel = "127.0.0.1:7400";
  std::string arbiter;  // "file:DIRECTORY"
  std::string key;
  bool insecure = false;
  bool alone = false;
  std::uint32_t detection_ms = 200;
  std::uint32_t heartbeat_ms = 20;
  std::uint32_t lag_target_ms = 100;
  std::uint32_t buffer_mib = 16;
};

struct Options {
  MachineOptions machine;
  PairOptions pair;
  std::string console;        // Empty is the command's default.
  std::string script;         // File of what is typed there instead of by a user.
  std::string debug_console;  // File for what the guest writes to its debug ports.
  std::string journal;
  bool overwrite = false;
  std::string control;  // Unix socket for `ftvm ctl`.
  std::string diag;     // File for diagnostics; "-" is standard error.
  std::string diag_level = "info";
  std::string name;  // Of this node in diagnostics; empty is the command's name.
};

inline constexpr const char* kDebianCommandLine =
    "console=ttyS0,115200 nosmp noapic nolapic acpi=off pci=off mitigations=off nopti nomodeset "
    "i8042.noaux i8042.nokbd i8042.noprobe tsc=reliable no_timer_check panic=-1 "
    "random.trust_cpu=off nowatchdog";

}  // namespace ftvm::cli
