// At which grid lines a DigestMark is due, and of which slice of RAM. One rule, because a recording
// and everything that is compared with it must agree on it.
#pragma once

#include <cstdint>
#include <optional>

#include "emulator/memory.h"

namespace ftvm::replay {

/// The slice to digest at grid line `line`, or nothing. Range: `every_lines` 0 is never. All slices
/// have had their turn after every_lines * kRamSlices lines.
constexpr std::optional<std::uint32_t> digest_slice_at(std::uint64_t line,
                                                       std::uint32_t every_lines) {
  if (every_lines == 0 || line % every_lines != 0) return std::nullopt;
  return static_cast<std::uint32_t>((line / every_lines) % kRamSlices);
}

}  // namespace ftvm::replay
