#include "ftcore/protocol/lag_control.h"

#include <algorithm>
#include <cmath>

#include "emulator/base/assert.h"
#include "emulator/base/mark.h"

namespace ftvm::ftcore {
namespace {

// With x = lag / target and u = ln(duty), the plant is dx/dt = (duty / duty_balanced - 1) / target.
// u' = -w^2 * target * (x - 1) - 2 * w * target * x' is critically damped with the natural
// frequency w. It is 0.5 / target, 5 per second at 100 ms; but an answer that comes after a dead
// time d makes it swing unless w * d stays well below 1.
constexpr double kFrequencyTimesTarget = 0.5;
constexpr double kFrequencyTimesDeadTime = 0.25;
// Acknowledgements that come faster say little each; steering by them would follow noise.
constexpr std::int64_t kSteerNs = 8 * kNsPerMs;
constexpr double kStepSeconds = 0.01;
// A backup that is level says nothing of how much more it could take: the lag is 0 however far
// below balance the duty is, and a pull by w^2 would take a minute to find out when answers are
// late. Each dead time without a lag shows that the duty before it was not too much.
constexpr double kRisePerDeadTime = 0.4;
// After a gap in acknowledgements one step is not made larger than this.
constexpr double kSteerSecondsMax = 0.1;
// Share of the target that is left alone: two grants, and what a host's scheduler makes of a backup
// that keeps up. The damping would take every such wave for an approach, and falls are quicker than
// rises.
constexpr double kLeftAlone = 0.65;
// In targets: what users are promised is lost.
constexpr double kFar = 2;
// A cost this much above the measured age is not believed: idle ticks cost the backup nothing.
constexpr double kPredictionFactor = 10;

double ms_between(HostTime from, HostTime to) {
  return static_cast<double>(to.ns - from.ns) / static_cast<double>(kNsPerMs);
}

}  // namespace

LagControl::LagControl(Options options) : options_(options) {
  FTVM_ASSERT(options.target_ms > 0);
  FTVM_ASSERT(options.duty_min > 0);
  FTVM_ASSERT(options.duty_min <= 1);
}

void LagControl::start(HostTime now) {
  sent_.clear();
  duty_ = 1;
  lag_before_ = 0;
  measures_ = {};
  steered_at_ = now;
}

void LagControl::on_sent(JournalSeq last, HostTime now) {
  FTVM_ASSERT(sent_.empty() || last > sent_.back().last);
  if (sent_.size() < kSentMax) sent_.push_back({last, now});
}

double LagControl::on_ack(JournalSeq accepted, double age_ms, double cost_ms, HostTime now) {
  FTVM_ASSERT(age_ms >= 0);
  FTVM_ASSERT(cost_ms >= 0);
  while (!sent_.empty() && sent_.front().last <= accepted) {
    measures_.send_to_ack_ms = ms_between(sent_.front().at, now);
    measures_.send_to_ack_ms_max = std::max(measures_.send_to_ack_ms_max, measures_.send_to_ack_ms);
    sent_.pop_front();
  }
  measures_.execution_lag_ms = age_ms;
  measures_.predicted_lag_ms = std::clamp(cost_ms, age_ms, kPredictionFactor * age_ms);
  steer(now);
  FTVM_ASSERT(duty_ >= options_.duty_min);
  FTVM_ASSERT(duty_ <= 1);
  return duty_;
}

void LagControl::steer(HostTime now) {
  if (now.ns - steered_at_.ns < kSteerNs) return;
  const double seconds = std::min(ms_between(steered_at_, now) / 1000, kSteerSecondsMax);
  steered_at_ = now;
  const double target_s = options_.target_ms / 1000;
  const double lag = measures_.predicted_lag_ms / options_.target_ms;
  const double trend = lag - lag_before_;  // Already times `seconds`.
  lag_before_ = lag;
  const double dead_time_s = std::max(measures_.send_to_ack_ms / 1000, kStepSeconds);
  const double frequency =
      std::min(kFrequencyTimesTarget / target_s, kFrequencyTimesDeadTime / dead_time_s);
  double pull = frequency * frequency * target_s;
  if (lag < kLeftAlone) {
    pull = std::max(pull, std::min(kRisePerDeadTime / dead_time_s,
                                   kFrequencyTimesTarget * kFrequencyTimesTarget / target_s));
  }
  double step = pull * (1 - lag) * seconds - 2 * frequency * target_s * trend;
  if (lag < kLeftAlone) step = std::max(step, 0.0);
  const double periods = seconds / kStepSeconds;
  const double down = lag > kFar ? kStepDownFar : kStepDown;
  const double factor =
      std::exp(std::clamp(step, std::log(1 - down) * periods, std::log(1 + kStepUp) * periods));
  if (factor < 1) FTVM_MARK("lag.slowed");
  duty_ = std::clamp(duty_ * factor, options_.duty_min, 1.0);
}

}  // namespace ftvm::ftcore
