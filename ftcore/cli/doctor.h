// The checks of `ftvm doctor`: each looks at one thing that a run depends on and says in a line
// what it found and, if that is not good, what to do. They change nothing that stays.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "ftcore/cli/options.h"

namespace ftvm::cli {

enum class Verdict : std::uint8_t {
  kOk,
  kSkipped,  // The user gave no option that this is about.
  kWarn,     // Works, but less well, or not everything.
  kFail,     // What the user asked for will not work.
};
/// "ok", "skipped", "warn", "fail"
std::string_view verdict_name(Verdict verdict);

struct Finding {
  std::string name;  // Stable: "engine.accelerated".
  Verdict verdict = Verdict::kOk;
  std::string text;
  std::string advice = {};  // Of kWarn and kFail.
};

/// Called as soon as something is known: some checks take a second.
using Report = std::function<void(Finding)>;

// One per file doctor_<name>.cc.

/// The library, its layout, both engines and their speed, libm.
void check_engines(const Report& report);
/// --kernel and --initramfs: that they can be read and that the guest says something.
void check_guest(const Options& options, const Report& report);
/// Clock, limits, memory, disk space, namespaces.
void check_host(const Options& options, const Report& report);
/// --arbiter, --channel, --key.
void check_pair(const Options& options, const Report& report);

}  // namespace ftvm::cli
