#include "ftcore/protocol/lag_control.h"

#include <algorithm>
#include <cmath>

#include "emulator/base/assert.h"
#include "emulator/base/mark.h"

namespace ftvm::ftcore {
namespace {

// With x = lag / target and u = ln(duty), the plant is dx/dt = (duty / duty_balanced - 1) / target.
// u' = -kGain * (x - 1) - kDamping * x' then has the natural frequency sqrt(kGain / target) and is
// critically damped for kDamping = 2 * sqrt(kGain * target): here 5 per second at 100 ms.
constexpr double kGainTimesTargetSquared = 0.25;  // kGain = this / target, target in seconds.
constexpr double kDamping = 1.0;
// Acknowledgements that come faster say little each; learning from them would be noise.
constexpr std::int64_t kSteerNs = 8 * kNsPerMs;
constexpr double kStepSeconds = 0.01;
// After a gap in acknowledgements one step is not made larger than this.
constexpr double kSteerSecondsMax = 0.1;
// A prediction this much above the measured lag is not believed: idle ticks cost the backup
// nothing.
constexpr double kPredictionFactor = 10;

double ms_between(HostTime from, HostTime to) {
  return static_cast<double>(to.ns - from.ns) / static_cast<double>(kNsPerMs);
}
double ticks_between(Tick from, Tick to) {
  return to <= from ? 0 : static_cast<double>(to.value - from.value);
}

}  // namespace

LagControl::LagControl(Options options) : options_(options) {
  FTVM_ASSERT(options.target_ms > 0);
  FTVM_ASSERT(options.duty_min > 0);
  FTVM_ASSERT(options.duty_min <= 1);
  start({}, {});
}

void LagControl::start(Tick at, HostTime now) {
  samples_.assign(1, Sample{now, at});
  latest_ = samples_.back();
  sent_.clear();
  duty_ = 1;
  rate_ = 0;
  lag_before_ = 0;
  round_trip_ms_ = 0;
  executed_ = at;
  executed_at_ = steered_at_ = now;
}

void LagControl::on_progress(Tick tick, HostTime now) {
  FTVM_ASSERT(tick >= latest_.tick);
  FTVM_ASSERT(now >= latest_.at);
  latest_ = {now, tick};
  Sample& newest = samples_.back();
  if (tick == newest.tick) {
    newest.at = now;
  } else if (now.ns - newest.at.ns >= kSampleNs) {
    samples_.push_back(latest_);
    if (samples_.size() > kSamplesMax) samples_.pop_front();
  }
}

void LagControl::on_sent(JournalSeq last, HostTime now) {
  FTVM_ASSERT(sent_.empty() || last > sent_.back().last);
  if (sent_.size() < kSentMax) sent_.push_back({last, now});
}

double LagControl::on_ack(JournalSeq accepted, Tick executed, HostTime now) {
  while (!sent_.empty() && sent_.front().last <= accepted) {
    measures_.send_to_ack_ms = ms_between(sent_.front().at, now);
    measures_.send_to_ack_ms_max = std::max(measures_.send_to_ack_ms_max, measures_.send_to_ack_ms);
    // Records are acknowledged when they arrive, not when they are executed, so this is the way
    // there and back alone. The mean of the last few.
    round_trip_ms_ = (round_trip_ms_ + measures_.send_to_ack_ms) / 2;
    sent_.pop_front();
  }
  measures_.execution_lag_ms = lag_ms(executed, now);
  learn_rate(executed, now);
  // The way there and back is no lag that a slower primary could shorten.
  const double own_lag_ms = std::max(0.0, measures_.execution_lag_ms - round_trip_ms_);
  measures_.predicted_lag_ms = std::clamp(predict_ms(executed) - round_trip_ms_, own_lag_ms,
                                          std::max(own_lag_ms, kPredictionFactor * own_lag_ms));
  steer(now);
  FTVM_ASSERT(duty_ >= options_.duty_min);
  FTVM_ASSERT(duty_ <= 1);
  return duty_;
}

double LagControl::lag_ms(Tick executed, HostTime now) const {
  if (executed >= latest_.tick) return 0;
  if (executed < samples_.front().tick) return ms_between(samples_.front().at, now);
  // The last sample not after `executed`, and the one behind it.
  const auto after =
      std::upper_bound(samples_.begin(), samples_.end(), executed,
                       [](Tick tick, const Sample& sample) { return tick < sample.tick; });
  FTVM_ASSERT(after != samples_.begin());
  const Sample& low = *std::prev(after);
  const Sample& high = after == samples_.end() ? latest_ : *after;
  FTVM_ASSERT(low.tick <= executed);
  FTVM_ASSERT(executed < high.tick);
  const double share = ticks_between(low.tick, executed) / ticks_between(low.tick, high.tick);
  return std::max(0.0, ms_between(low.at, now) - share * ms_between(low.at, high.at));
}

void LagControl::learn_rate(Tick executed, HostTime now) {
  if (now.ns - executed_at_.ns < kSteerNs) return;
  const double shown = ticks_between(executed_, executed) / ms_between(executed_at_, now);
  executed_ = std::max(executed_, executed);
  executed_at_ = now;
  rate_ = rate_ == 0 ? shown : 0.7 * rate_ + 0.3 * shown;
}

double LagControl::predict_ms(Tick executed) const {
  return rate_ == 0 ? 0 : ticks_between(executed, latest_.tick) / rate_;
}

void LagControl::steer(HostTime now) {
  if (now.ns - steered_at_.ns < kSteerNs) return;
  const double seconds = std::min(ms_between(steered_at_, now) / 1000, kSteerSecondsMax);
  steered_at_ = now;
  const double target_s = options_.target_ms / 1000;
  const double lag = measures_.predicted_lag_ms / options_.target_ms;
  const double trend = lag - lag_before_;  // Already times `seconds`.
  lag_before_ = lag;
  const double step =
      -(kGainTimesTargetSquared / target_s) * (lag - 1) * seconds - kDamping * trend;
  const double periods = seconds / kStepSeconds;
  const double factor = std::exp(
      std::clamp(step, std::log(1 - kStepDown) * periods, std::log(1 + kStepUp) * periods));
  if (factor < 1) FTVM_MARK("lag.slowed");
  duty_ = std::clamp(duty_ * factor, options_.duty_min, 1.0);
}

}  // namespace ftvm::ftcore
