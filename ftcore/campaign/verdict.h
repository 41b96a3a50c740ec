// What became of a run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/base/digest.h"
#include "ftcore/campaign/draw.h"
#include "ftcore/campaign/guests.h"
#include "ftcore/sim/fault.h"

namespace ftvm::ftcore::campaign {

/// A broken rule. Beside the oracle's rules there are those that only a campaign can see.
inline constexpr std::string_view kAssertionRule = "assertion";      // The process died of it.
inline constexpr std::string_view kDeterminismRule = "determinism";  // Twice was not the same.
inline constexpr std::string_view kEndsRule = "ends";                // The run did not end.
inline constexpr std::string_view kProgramRule = "program";          // The plan's program says so.

struct Failure {
  std::uint64_t seed = 0;
  std::string rule;
  std::string what;
  bool operator==(const Failure&) const = default;
};

struct Verdict {
  std::uint64_t seed = 0;
  std::optional<Failure> failure;  // Its first violation.
  Digest digest;
  bool failed_over = false;
  bool machine_lost = false;
  bool twice = false;
  std::int64_t silence_us = 0;  // The longest time without new output.
  std::uint64_t events = 0;
  std::vector<sim::FaultKind> met;  // Faults that struck.
  std::string name;                 // Of the case, for a run of a program.
  bool skipped = false;             // It says that it cannot be done on this host.
};

/// To its end, in this process: a failed assertion of the product takes it down.
[[nodiscard]] Verdict execute(const PairRun& run, const Guests& guests);
/// The same, and once more for those runs that the plan draws for it.
[[nodiscard]] Verdict execute_seed(const Plan& plan, std::uint64_t seed, const Guests& guests);

}  // namespace ftvm::ftcore::campaign
