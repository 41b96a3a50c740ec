#include "ftcore/protocol/execution_lag.h"

#include <algorithm>
#include <cmath>

#include "emulator/base/assert.h"

namespace ftvm::ftcore {
namespace {

/// A machine that stands still would need for ever.
constexpr double kCostMsMax = 3'600'000;
/// How fast an old speed is forgotten.
constexpr double kMemoryMs = 100;
/// Where the primary waited for the world a backup is faster than it without end, and that says
/// nothing of what comes next.
constexpr double kSpeedMax = 2;

double ms_between(HostTime from, HostTime to) {
  return static_cast<double>(to.ns - from.ns) / static_cast<double>(kNsPerMs);
}

}  // namespace

ExecutionLag::ExecutionLag(Tick at, HostTime now)
    : limit_(at), executed_(at), primary_(at), learned_tick_(at), learned_at_(now) {}

void ExecutionLag::on_limit(Tick limit, HostTime now) {
  FTVM_ASSERT(limit >= limit_);
  if (limit == limit_) return;
  if (executed_ == limit_) start_over(now);
  limit_ = limit;
  const bool recent = !samples_.empty() && now.ns - samples_.back().at.ns < kSampleNs;
  if (recent || samples_.size() == kSamplesMax) {
    samples_.back().limit = limit;
  } else {
    samples_.push_back({now, limit});
  }
}

void ExecutionLag::on_grant(Tick limit, std::uint64_t ran_us, HostTime now) {
  primary_.on_mark(limit, ran_us);
  on_limit(limit, now);
}

void ExecutionLag::on_executed(Tick tick, HostTime now) {
  FTVM_ASSERT(tick >= executed_);
  FTVM_ASSERT(tick <= limit_);
  if (executed_ == limit_) return;  // Waiting is not slow.
  executed_ = tick;
  while (!samples_.empty() && samples_.front().limit <= tick) samples_.pop_front();
  learn_speed(now);
}

/// It had nothing to do. How fast it is may not be seen from that, but that it kept up may.
void ExecutionLag::start_over(HostTime now) {
  if (now.ns - learned_at_.ns >= kLearnNs && executed_ <= primary_.tick()) {
    const double shown =
        (primary_.ms_at(executed_) - primary_.ms_at(learned_tick_)) / ms_between(learned_at_, now);
    speed_ = std::max(speed_, std::min(shown, 1.0));
  }
  learn_from(now);
}

void ExecutionLag::learn_speed(HostTime now) {
  if (now.ns - learned_at_.ns < kLearnNs) return;
  if (executed_ > primary_.tick()) return;  // Nobody has said yet what that took.
  speed_ = speed_with(primary_.ms_at(executed_), now);
  learn_from(now);
}

/// The next piece begins here.
void ExecutionLag::learn_from(HostTime now) {
  learned_tick_ = executed_;
  learned_at_ = now;
  primary_.forget_before(learned_tick_);
}

/// The speed known, and what was shown since. What was shown for longer counts for more: a machine
/// that is slowed tells of itself seldom.
double ExecutionLag::speed_with(double reached_ms, HostTime now) const {
  const double ms = ms_between(learned_at_, now);
  const double shown = std::min((reached_ms - primary_.ms_at(learned_tick_)) / ms, kSpeedMax);
  return speed_ == 0 ? shown : shown + (speed_ - shown) * std::exp(-ms / kMemoryMs);
}

double ExecutionLag::age_ms(HostTime now) const {
  if (executed_ == limit_) return 0;
  FTVM_ASSERT(!samples_.empty());
  return std::max(0.0, ms_between(samples_.front().at, now));
}

double ExecutionLag::cost_ms(HostTime now) const {
  if (speed_ == 0 || executed_ == limit_) return 0;
  // One that stands still may be just before the next mark, and no farther.
  const double speed = now.ns - learned_at_.ns < kStandingNs
                           ? speed_
                           : speed_with(primary_.ms_beyond(executed_), now);
  const double primary_ms = primary_.ms_at(limit_) - primary_.ms_at(executed_);
  return primary_ms < speed * kCostMsMax ? primary_ms / speed : kCostMsMax;
}

}  // namespace ftvm::ftcore
