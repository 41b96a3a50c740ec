// A run that fails, made as small as it can be while it still breaks the same rule: fewer faults,
// earlier and shorter ones, a shorter run, a calmer pair, the toy instead of a machine. What is
// tried, and in which order, depends on the run alone, so the same run shrinks to the same one.
//
// Source: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002), with
// subsets of one fault: plans are short.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>

#include "ftcore/campaign/draw.h"
#include "ftcore/campaign/verdict.h"

namespace ftvm::ftcore::campaign {

/// How a run fails, if it does.
using TryRun = std::function<std::optional<Failure>(const PairRun&)>;

struct Shrunk {
  PairRun run;
  Failure failure;
  std::size_t tries = 0;
  bool minimal = false;  // Removing any of its faults lets it pass: every one was tried.
};

/// Precondition: `run` fails, as `failure`. `tries_max`: then the smallest so far is taken.
Shrunk shrink(const PairRun& run, const Failure& failure, const TryRun& try_run,
              std::size_t tries_max = 1'000);

}  // namespace ftvm::ftcore::campaign
