#include "devices/power_control.h"

namespace ftvm::devices {

/// Arms the drain, and returns the moment after it for the request itself. The machine is told at
/// once, so that a guest that halts for good after its last word is not taken for a dead one.
Now PowerControl::drain_before(const Now& now) {
  if (!drain_timer_.armed()) drain_timer_.arm(now.time, now);
  return {.tick = now.tick, .time = now.time, .earliest = now.earliest.plus(1)};
}

void PowerControl::request_reset(const Now& now) {
  machine_.request_reset(drain_before(now));
}

void PowerControl::request_end(EndReason reason, std::uint32_t exit_code, const Now& now) {
  machine_.request_end(reason, exit_code, drain_before(now));
}

void PowerControl::expire(Timer& timer, const Now&) {
  timer.cancel();
  for (ChunkedOutput* output : outputs_) output->drain();
}

void PowerControl::visit_state(StateVisitor& v) {
  v.enter("drain_timer");
  drain_timer_.visit_state(v);
  v.leave();
}

}  // namespace ftvm::devices
