// All arithmetic is in whole numbers. Times differ by at most some years (2^57 ns), so differences
// fit std::int64_t; products of a time and a rate are formed in 128 bits.
#include "devices/host/host_clock.h"

#include <poll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "emulator/base/assert.h"
#include "emulator/base/uint128.h"

namespace ftvm::devices::host {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr std::uint64_t kPsPerNs = 1000;
/// Less busy time than this measures the noise of the host, not the speed of the guest.
constexpr std::uint64_t kSampleNsMin = 1'000'000;
/// A rate this much off (as a fraction) is corrected even while the error is small.
constexpr std::uint64_t kRateTolerance = 4;
/// A guest this many times as fast as measured is noticed at once; one that seems slower is
/// believed only in steps of this.
constexpr std::uint64_t kSpeedUp = 2;
constexpr std::uint64_t kSlowDownMax = 2;
/// Observations of a peer older than one or two of these are forgotten, or the drift between two
/// hosts' clocks would add up.
constexpr std::uint64_t kPeerWindowNs = 10 * kNsPerSecond;
/// A sleeping vCPU is woken as exactly as the host can. Units: nanoseconds.
constexpr unsigned long kTimerSlackNs = 1000;

/// A guest that gets hardly any processor time is not told that its processor is slower than this:
/// timer interrupts would take all of it. It falls behind instead, and its clock is stepped.
constexpr std::uint64_t kSteeredPsPerTickMax = 20 * kNominalPsPerTick;
static_assert(kSteeredPsPerTickMax <= kPsPerTickMax);

std::uint64_t clamp_rate(Uint128 ps_per_tick) {
  return static_cast<std::uint64_t>(std::clamp<Uint128>(ps_per_tick, 1, kSteeredPsPerTickMax));
}

std::int64_t difference(std::uint64_t a, std::uint64_t b) {
  return static_cast<std::int64_t>(a - b);
}

std::uint64_t magnitude(std::int64_t value) {
  return value < 0 ? static_cast<std::uint64_t>(-value) : static_cast<std::uint64_t>(value);
}

}  // namespace

HostTime HostClock::now() {
  timespec ts{};
  const int failed = ::clock_gettime(CLOCK_MONOTONIC, &ts);
  FTVM_ASSERT(failed == 0);
  return {static_cast<std::uint64_t>(ts.tv_sec) * kNsPerSecond +
          static_cast<std::uint64_t>(ts.tv_nsec)};
}

void HostClock::wait_until(HostTime deadline, const WakeEvent& wake) {
  thread_local const int slack_set = ::prctl(PR_SET_TIMERSLACK, kTimerSlackNs, 0, 0, 0);
  (void)slack_set;  // Without it wakes are 50 us late, which is an inaccuracy and not an error.
  pollfd waiting{.fd = wake.fd(), .events = POLLIN, .revents = 0};
  if (deadline == HostTime::never()) {
    ::ppoll(&waiting, 1, nullptr, nullptr);
    return;
  }
  const HostTime start = now();
  if (deadline <= start) return;
  const std::uint64_t left_ns = deadline.ns - start.ns;
  const timespec left{.tv_sec = static_cast<time_t>(left_ns / kNsPerSecond),
                      .tv_nsec = static_cast<long>(left_ns % kNsPerSecond)};
  ::ppoll(&waiting, 1, &left, nullptr);
}

ClockDiscipline::ClockDiscipline() : ClockDiscipline(Options{}) {}

void ClockDiscipline::anchor(HostTime host, GuestTime guest) {
  target_ns_ = difference(guest.ns, host.ns);
}

void ClockDiscipline::observe_peer(HostTime host, GuestTime guest) {
  if (synced_) return;
  const std::int64_t offset_ns = difference(guest.ns, host.ns);
  if (peer_window_ns_ && host.ns >= peer_window_start_.ns + kPeerWindowNs) {
    peer_before_ns_ = std::exchange(peer_window_ns_, std::nullopt);
  }
  if (!peer_window_ns_) {
    peer_window_ns_ = offset_ns;
    peer_window_start_ = host;
  }
  // The journal only ever arrives late, so the largest offset is the nearest to the truth.
  peer_window_ns_ = std::max(*peer_window_ns_, offset_ns);
  target_ns_ = std::max(*peer_window_ns_, peer_before_ns_.value_or(*peer_window_ns_));
}

std::optional<ClockSync> ClockDiscipline::steer(HostTime host, Tick now, GuestTime time) {
  if (!target_ns_) anchor(host, time);
  const std::int64_t error_ns = error_at(host, time);
  counters_.error_ns = error_ns;
  const bool woke = std::exchange(woke_, false);
  const bool behind = error_ns > 0;
  const GuestTime target = behind ? time.plus_ns(magnitude(error_ns)) : time;

  if (behind && magnitude(error_ns) > options_.step_error_ns) {
    // A stall of the host, a pause or an outage, which the median keeps out of the rate; or a guest
    // so slow that a slice takes that long, and then this is its speed.
    measure(host, now);
    close_sample();
    ++counters_.steps;
    return sync(host, target, measured_ps_per_tick());
  }
  measure(host, now);
  if (!synced_) return sync(host, time, measured_ps_per_tick());
  const std::int64_t ahead_ns = std::min(error_ns, std::int64_t{0});
  const std::int64_t ahead_then_ns = std::min(error_then_ns_, std::int64_t{0});
  if (magnitude(ahead_ns) > magnitude(ahead_then_ns) + options_.early_error_ns && sped_up()) {
    return slew(host, time, error_ns);
  }
  const std::uint64_t since_ns = host.ns - looked_.ns;
  const bool worth_it =
      since_ns >= options_.sync_interval_ns || magnitude(error_ns) > options_.early_error_ns;
  if (woke && behind && magnitude(error_ns) > options_.quiet_error_ns && worth_it) {
    // The guest was halted: to it a step is an interrupt that came a little late. Small ones need
    // no sync at each wake, because the next sleep ends at the right moment all the same.
    close_sample();
    return sync(host, target, measured_ps_per_tick());
  }

  const bool grew = magnitude(error_ns) > magnitude(error_then_ns_) + options_.early_error_ns;
  const std::uint64_t wait_ns = grew ? options_.early_interval_ns : options_.sync_interval_ns;
  if (since_ns < wait_ns) return std::nullopt;
  close_sample();
  const std::uint64_t ps_per_tick = slewing_ps_per_tick(error_ns);
  const std::uint64_t rate_off = magnitude(difference(ps_per_tick, ps_per_tick_));
  if (magnitude(error_ns) <= options_.quiet_error_ns && rate_off <= ps_per_tick_ / kRateTolerance) {
    looked_ = host;
    return std::nullopt;
  }
  return slew(host, time, error_ns);
}

ClockSync ClockDiscipline::slew(HostTime host, GuestTime time, std::int64_t error_ns) {
  const ClockSync result = sync(host, time, slewing_ps_per_tick(error_ns));
  error_then_ns_ = error_ns;
  return result;
}

/// A guest that runs ahead can not be set back, so a speed far above the measured one counts at
/// once, however short the look at it was.
bool ClockDiscipline::sped_up() {
  if (busy_ticks_ == 0) return false;
  const std::uint64_t ps_per_tick = clamp_rate(Uint128{busy_ns_} * kPsPerNs / busy_ticks_);
  if (ps_per_tick >= measured_ps_per_tick() / kSpeedUp) return false;
  samples_ps_[0] = ps_per_tick;
  sample_count_ = 1;
  busy_ns_ = busy_ticks_ = 0;
  return true;
}

void ClockDiscipline::slept(const Sleep& sleep) {
  FTVM_ASSERT(sleep.from <= sleep.to);
  FTVM_ASSERT(sleep.now <= sleep.until);
  // A machine that was not halted after all did not idle; its ticks will tell. Before another
  // sleep the ticks of the last one are settled.
  measure(sleep.from, sleep.now);
  idle_ns_ = sleep.to.ns - sleep.from.ns;
  idle_from_ = sleep.now;
  idle_until_ = sleep.until;
  woke_ = true;
}

HostTime ClockDiscipline::host_at(const Idle& idle, Tick tick) const {
  if (tick == Tick::never()) return HostTime::never();
  FTVM_ASSERT(tick >= idle.now);
  const Uint128 wait_ns = Uint128{tick.value - idle.now.value} * ps_per_tick_ / kPsPerNs;
  constexpr Uint128 kFar = std::numeric_limits<std::int64_t>::max() / 2;
  if (wait_ns > kFar) return HostTime::never();
  const std::int64_t target_ns = target_ns_.value_or(0);
  const auto guest_ns =
      static_cast<std::int64_t>(idle.time.ns + static_cast<std::uint64_t>(wait_ns));
  return guest_ns <= target_ns ? HostTime{}
                               : HostTime{static_cast<std::uint64_t>(guest_ns - target_ns)};
}

Tick ClockDiscipline::tick_at(const Idle& idle, HostTime host, Tick limit) const {
  FTVM_ASSERT(limit >= idle.now);
  const std::int64_t error_ns = error_at(host, idle.time);
  if (error_ns <= 0) return idle.now;
  const Uint128 ticks = Uint128{magnitude(error_ns)} * kPsPerNs / ps_per_tick_;
  if (ticks >= Uint128{limit.value - idle.now.value}) return limit;
  return {idle.now.value + static_cast<std::uint64_t>(ticks)};
}

std::uint64_t ClockDiscipline::slice_ticks(std::uint64_t max) const {
  return std::clamp<std::uint64_t>(options_.sync_interval_ns * kPsPerNs / ps_per_tick_, 1, max);
}

std::int64_t ClockDiscipline::error_at(HostTime host, GuestTime time) const {
  return difference(host.ns, time.ns) + target_ns_.value_or(0);
}

void ClockDiscipline::measure(HostTime host, Tick now) {
  const std::uint64_t host_ns = host.ns - std::min(host.ns, seen_host_.ns);
  const std::uint64_t ticks = now.value - std::min(now.value, seen_tick_.value);
  const std::uint64_t idled = std::clamp(now, idle_from_, idle_until_).value - idle_from_.value;
  if (seen_host_ != HostTime{}) {
    busy_ns_ += host_ns - std::min(host_ns, idle_ns_);
    busy_ticks_ += ticks - std::min(ticks, idled);
  }
  seen_host_ = std::max(seen_host_, host);
  seen_tick_ = std::max(seen_tick_, now);
  idle_ns_ = 0;
  idle_from_ = idle_until_ = seen_tick_;
}

void ClockDiscipline::close_sample() {
  if (busy_ns_ < kSampleNsMin || busy_ticks_ == 0) return;
  // Slower by more than this at once is a stall more likely than a speed; if it is one after all,
  // the next samples will say so.
  const Uint128 ceiling = Uint128{measured_ps_per_tick()} * kSlowDownMax;
  const Uint128 ps_per_tick = std::min(Uint128{busy_ns_} * kPsPerNs / busy_ticks_, ceiling);
  samples_ps_[sample_count_ % kSamples] = clamp_rate(ps_per_tick);
  ++sample_count_;
  busy_ns_ = busy_ticks_ = 0;
}

std::uint64_t ClockDiscipline::measured_ps_per_tick() const {
  // Never the last rate: it may be bent already, and bends must not multiply.
  if (sample_count_ == 0) return clamp_rate(options_.ps_per_tick_first);
  if (sample_count_ < kSamples) return samples_ps_[sample_count_ - 1];
  // The median: one interval in which the host ran something else must not bend guest time.
  std::array<std::uint64_t, kSamples> sorted = samples_ps_;
  std::sort(sorted.begin(), sorted.end());
  return sorted[kSamples / 2];
}

std::uint64_t ClockDiscipline::slewing_ps_per_tick(std::int64_t error_ns) const {
  // Guest time runs at (span + error) / span of real time, between a quarter and twice.
  const auto span_ns = static_cast<std::int64_t>(options_.slew_span_ns);
  const std::int64_t bend_ns = std::clamp(error_ns, -(span_ns / 4 * 3), span_ns);
  return clamp_rate(Uint128{measured_ps_per_tick()} *
                    static_cast<std::uint64_t>(span_ns + bend_ns) / options_.slew_span_ns);
}

ClockSync ClockDiscipline::sync(HostTime host, GuestTime base, std::uint64_t ps_per_tick) {
  synced_ = true;
  ps_per_tick_ = ps_per_tick;
  looked_ = host;
  error_then_ns_ = 0;
  ++counters_.syncs;
  return {.base = base, .ps_per_tick = ps_per_tick};
}

}  // namespace ftvm::devices::host
