// Whole-number arithmetic in 128 bits: tick differences and rates are 64-bit numbers each, so no
// product and no scaled time can overflow, and nothing depends on rounding modes.
#include "emulator/clock.h"

#include <string>

#include "emulator/base/assert.h"
#include "emulator/base/uint128.h"

namespace ftvm {
namespace {

constexpr Uint128 kPsPerNs = 1000;

}  // namespace

GuestTime GuestClock::at(Tick tick) const {
  FTVM_ASSERT(tick >= base_tick_);
  const Uint128 elapsed_ps = Uint128{tick.value - base_tick_.value} * ps_per_tick_;
  // Parts of a nanosecond are dropped here, not carried: the next tick multiplies afresh.
  const Uint128 ns = base_.ns + elapsed_ps / kPsPerNs;
  return ns < GuestTime::never().ns ? GuestTime{static_cast<std::uint64_t>(ns)}
                                    : GuestTime::never();
}

Tick GuestClock::first_tick_at(GuestTime time) const {
  if (time == GuestTime::never()) return Tick::never();
  if (time <= base_) return base_tick_;
  // The least d with floor(d * rate / 1000) >= wait is the least d with d * rate >= 1000 * wait.
  const Uint128 wait_ps = Uint128{time.ns - base_.ns} * kPsPerNs;
  const Uint128 tick = base_tick_.value + (wait_ps + ps_per_tick_ - 1) / ps_per_tick_;
  return tick < Tick::never().value ? Tick{static_cast<std::uint64_t>(tick)} : Tick::never();
}

Status GuestClock::apply(Tick now, const ClockSync& sync) {
  if (sync.ps_per_tick == 0 || sync.ps_per_tick > kPsPerTickMax) {
    return Error(ErrorCode::kBadData, "clock sync: rate of " + std::to_string(sync.ps_per_tick) +
                                          " ps per tick is out of range");
  }
  const GuestTime seen = at(now);
  if (sync.base < seen) {
    return Error(ErrorCode::kBadData, "clock sync: base of " + std::to_string(sync.base.ns) +
                                          " ns is before guest time " + std::to_string(seen.ns));
  }
  base_tick_ = now;
  base_ = sync.base;
  ps_per_tick_ = sync.ps_per_tick;
  FTVM_ASSERT(at(now) >= seen);
  return {};
}

void GuestClock::visit_state(StateVisitor& v) {
  v.field("base_tick", base_tick_);
  v.field("base", base_);
  v.field("ps_per_tick", ps_per_tick_);
  v.check("ps_per_tick", ps_per_tick_ > 0 && ps_per_tick_ <= kPsPerTickMax);
}

}  // namespace ftvm
