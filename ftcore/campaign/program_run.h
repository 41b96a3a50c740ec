// A run done by a program of the user's: real processes, and a verdict from outside. What it has to
// keep to is an exit code, so that any checker will do.
//
// Exit code 0 is passed and 77 skipped, anything else has failed. The last line of what it prints
// is what a report says of it; "silence_ms=210" in that line says how long a failover took.
//
// Source: docs/formats/plan.md; automake's "Simple Tests" for 77.
#pragma once

#include <cstdint>
#include <string>

#include "ftcore/campaign/plan.h"
#include "ftcore/campaign/verdict.h"

namespace ftvm::ftcore::campaign {

struct ProgramPlace {
  std::string ftvm;    // Path of this program.
  std::string shared;  // A folder for all runs. It exists.
};

/// To its end, or its time limit. The run's folder, with all that it printed in `output`, stays
/// when it has failed. Lifetime: the program is killed with this process.
[[nodiscard]] Verdict execute_program(const Plan& plan, std::uint64_t seed,
                                      const ProgramPlace& place);

/// What `text` is with the names in braces replaced; others stay as they are.
[[nodiscard]] std::string filled_in(const std::string& text, std::uint64_t seed,
                                    const std::string& name, const std::string& folder,
                                    const ProgramPlace& place);

}  // namespace ftvm::ftcore::campaign
