// The run of a seed: a plan with all its ranges drawn. It depends on plan and seed alone.
#pragma once

#include <cstdint>
#include <string>

#include "ftcore/campaign/plan.h"
#include "ftcore/sim/cluster.h"

namespace ftvm::ftcore::campaign {

/// One run, down to the last number.
struct PairRun {
  std::string guest;  // As in Plan::guests.
  sim::Cluster::Options options;
};

/// Precondition: the plan is one that plan_codec.h accepts.
[[nodiscard]] PairRun draw_run(const Plan& plan, std::uint64_t seed);

/// The case of a run of the plan's program. Precondition: there is one.
[[nodiscard]] const std::string& draw_case(const Plan& plan, std::uint64_t seed);

/// The plan whose only run this is.
[[nodiscard]] Plan exact_plan(const PairRun& run);

}  // namespace ftvm::ftcore::campaign
