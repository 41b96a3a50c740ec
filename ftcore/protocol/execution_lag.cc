#include "ftcore/protocol/execution_lag.h"

#include <algorithm>
#include <cmath>

#include "emulator/base/assert.h"

namespace ftvm::ftcore {
namespace {

/// A machine that stands still would need for ever.
constexpr double kCostMsMax = 3'600'000;
/// How fast an old speed is forgotten.
constexpr double kMemoryMs = 22;

double ms_between(HostTime from, HostTime to) {
  return static_cast<double>(to.ns - from.ns) / static_cast<double>(kNsPerMs);
}

}  // namespace

ExecutionLag::ExecutionLag(Tick at, HostTime now)
    : limit_(at), executed_(at), learned_tick_(at), learned_at_(now) {}

void ExecutionLag::on_limit(Tick limit, HostTime now) {
  FTVM_ASSERT(limit >= limit_);
  if (limit == limit_) return;
  if (executed_ == limit_) {  // It had nothing to do; that says nothing about its speed.
    learned_at_ = now;
    learned_tick_ = executed_;
  }
  limit_ = limit;
  const bool recent = !samples_.empty() && now.ns - samples_.back().at.ns < kSampleNs;
  if (recent || samples_.size() == kSamplesMax) {
    samples_.back().limit = limit;
  } else {
    samples_.push_back({now, limit});
  }
}

void ExecutionLag::on_executed(Tick tick, HostTime now) {
  FTVM_ASSERT(tick >= executed_);
  FTVM_ASSERT(tick <= limit_);
  if (executed_ == limit_) return;  // Waiting is not slow.
  executed_ = tick;
  while (!samples_.empty() && samples_.front().limit <= tick) samples_.pop_front();
  learn_speed(now);
}

void ExecutionLag::learn_speed(HostTime now) {
  if (now.ns - learned_at_.ns < kLearnNs) return;
  speed_ = speed_with(now);
  learned_tick_ = executed_;
  learned_at_ = now;
}

/// The speed known, and what was shown since. What was shown for longer counts for more: a machine
/// that is slowed tells of itself seldom.
double ExecutionLag::speed_with(HostTime now) const {
  const double ms = ms_between(learned_at_, now);
  const double shown = static_cast<double>(executed_.value - learned_tick_.value) / ms;
  return speed_ == 0 ? shown : shown + (speed_ - shown) * std::exp(-ms / kMemoryMs);
}

double ExecutionLag::age_ms(HostTime now) const {
  if (executed_ == limit_) return 0;
  FTVM_ASSERT(!samples_.empty());
  return std::max(0.0, ms_between(samples_.front().at, now));
}

double ExecutionLag::cost_ms(HostTime now) const {
  if (speed_ == 0 || executed_ == limit_) return 0;
  const double speed = now.ns - learned_at_.ns < kStandingNs ? speed_ : speed_with(now);
  const auto ticks = static_cast<double>(limit_.value - executed_.value);
  return ticks < speed * kCostMsMax ? ticks / speed : kCostMsMax;
}

}  // namespace ftvm::ftcore
