// Guest time as a pure function of the tick: GuestTime = base + (tick - base_tick) * rate. No host
// clock is read here; a ClockSync input replaces base and rate.
#pragma once

#include <cstdint>

#include "emulator/base/result.h"
#include "emulator/base/units.h"
#include "emulator/state.h"
#include "emulator/world.h"

namespace ftvm {

/// Nominal rate: a guest that retires 100 million instructions in a guest second.
inline constexpr std::uint64_t kNominalPsPerTick = 10'000;
inline constexpr std::uint64_t kPsPerTickMax = 1'000'000'000;

class GuestClock {
 public:
  [[nodiscard]] GuestTime at(Tick tick) const;

  /// First tick whose time is not before `time`. Range: never() stays never().
  [[nodiscard]] Tick first_tick_at(GuestTime time) const;

  /// Errors: kBadData for a base before at(now) or a rate out of range; nothing changes then.
  Status apply(Tick now, const ClockSync& sync);

  [[nodiscard]] std::uint64_t ps_per_tick() const { return ps_per_tick_; }
  void visit_state(StateVisitor& v);

 private:
  Tick base_tick_;
  GuestTime base_;
  std::uint64_t ps_per_tick_ = kNominalPsPerTick;
};

}  // namespace ftvm
