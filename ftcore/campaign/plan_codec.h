// Plans as TOML. Source: docs/formats/plan.md; TOML 1.0 (toml.io).
#pragma once

#include <string>
#include <string_view>

#include "emulator/base/result.h"
#include "ftcore/campaign/plan.h"

namespace ftvm::ftcore::campaign {

/// What a file leaves out is as in a plan of its own making, so an empty one is the standard plan;
/// one that names faults has only those. `path` is for messages.
/// Errors: kUsage, naming line, column, field and what it may be.
Result<Plan> parse_plan(std::string_view text, const std::string& path);

/// As parse_plan() reads it: the same plan comes back.
std::string plan_text(const Plan& plan);

}  // namespace ftvm::ftcore::campaign
