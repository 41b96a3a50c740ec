// Pairs with a character: everything a run may differ in, drawn from its seed. Faults stay within
// what the protocol claims to survive: one node is lost at most, the rest ends after a while.
#pragma once

#include <cstdint>
#include <string>

#include "ftcore/sim/cluster.h"
#include "ftcore/sim/plant.h"

namespace ftvm::ftcore::sim {

/// The run of a seed. It depends on the seed alone.
[[nodiscard]] Cluster::Options drawn_pair(std::uint64_t seed);

/// A pair of toy guests under `options`, to its end.
[[nodiscard]] Cluster::Outcome run_toy(const Cluster::Options& options);

/// Seed, faults and violations, a line each: what repeats a run, and why one should.
[[nodiscard]] std::string story(const Cluster::Options& options, const Cluster::Outcome& outcome);

}  // namespace ftvm::ftcore::sim
