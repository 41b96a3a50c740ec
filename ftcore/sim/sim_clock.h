// The monotonic clock of a simulated host: another origin and another rate than the world's.
#pragma once

#include <cstdint>

#include "ftcore/protocol/message.h"

namespace ftvm::ftcore::sim {

struct SimClock {
  std::int64_t offset_ns = 0;
  std::int64_t rate_ppm = 0;  // Too fast by so much. Range: above -1'000'000.

  /// What the host's clock shows at `world`.
  [[nodiscard]] HostTime local(HostTime world) const {
    return {offset_ns + world.ns + world.ns / 1'000 * rate_ppm / 1'000};
  }
  /// When it will have reached `local`, a moment late rather than early; never stays never.
  [[nodiscard]] HostTime world(HostTime local) const {
    if (local == HostTime::never()) return local;
    const std::int64_t since = local.ns - offset_ns;
    const std::int64_t rate = 1'000'000 + rate_ppm;
    return {since / rate * 1'000'000 + since % rate * 1'000'000 / rate + 1'000};
  }
};

}  // namespace ftvm::ftcore::sim
