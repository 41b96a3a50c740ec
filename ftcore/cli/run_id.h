// A random name for a run, so that a journal and its snapshots can be told from another run's.
#pragma once

#include <array>
#include <cstdint>

namespace ftvm::cli {

std::array<std::uint8_t, 16> random_run_id();

}  // namespace ftvm::cli
