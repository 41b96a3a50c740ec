// The host's clock, and the discipline that makes guest time follow it (`--clock host`). The
// discipline itself is pure: host time is handed in, ClockSync inputs come out, so it is tested
// with invented speeds and stalls.
//
// Source: clock_gettime(2), CLOCK_MONOTONIC: unlike CLOCK_REALTIME no operator can set it back.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "devices/host/wake_event.h"
#include "emulator/clock.h"
#include "emulator/world.h"

namespace ftvm::devices::host {

/// A moment on this host. Units: nanoseconds of CLOCK_MONOTONIC; says nothing on another host.
struct HostTime {
  std::uint64_t ns = 0;
  auto operator<=>(const HostTime&) const = default;
  static constexpr HostTime never() { return {std::numeric_limits<std::uint64_t>::max()}; }
};

/// The real clock; tests derive an invented one. Threading: any thread.
class HostClock {
 public:
  virtual ~HostClock() = default;
  [[nodiscard]] virtual HostTime now();
  /// Sleeps until `deadline` has passed or `wake` is set, whichever is first; may return early.
  virtual void wait_until(HostTime deadline, const WakeEvent& wake);
};

/// Steers guest time to run one second a second. A busy guest gets the rate of its measured speed,
/// bent a little until the error is gone; an error above `step_error_ns` is stepped, forward only.
/// An idle guest needs nearly no sync: host_at() and tick_at() wake it at the right moment.
/// Threading: vCPU thread.
class ClockDiscipline {
 public:
  struct Options {
    /// A busy guest is looked at this often.
    std::uint64_t sync_interval_ns = 10'000'000;
    /// But sooner, down to this, when the error grew by `early_error_ns` since the last sync: a
    /// guest that suddenly runs five times as fast would be far ahead after a whole interval.
    std::uint64_t early_interval_ns = 1'000'000;
    std::uint64_t early_error_ns = 1'000'000;
    /// An error below this is left alone.
    std::uint64_t quiet_error_ns = 200'000;
    /// A guest that is behind by more is stepped.
    std::uint64_t step_error_ns = 250'000'000;
    /// Errors below that are slewed to be gone after about so much host time.
    std::uint64_t slew_span_ns = 50'000'000;
    /// Rate of the first sync, before any speed was measured.
    std::uint64_t ps_per_tick_first = kNominalPsPerTick;
  };
  struct Counters {
    std::uint64_t syncs = 0;    // Steps included.
    std::uint64_t steps = 0;    // By more than step_error_ns.
    std::int64_t error_ns = 0;  // Positive: the guest is behind. As of the last call of steer().
  };

  ClockDiscipline();
  explicit ClockDiscipline(Options options) : options_(options) {}

  /// From now on the guest should show `guest` at `host`. Without this the first steer() or
  /// observation decides, and a guest continues where it stood.
  void anchor(HostTime host, GuestTime guest);

  /// A backup saw by its journal that the primary's guest had reached `guest` not later than
  /// `host`. The best of the last observations is what steer() aims at after a failover, so the
  /// outage is made up for. Ignored once steer() was called.
  void observe_peer(HostTime host, GuestTime guest);

  /// To be called at every stop of the vCPU; a result is to be applied at `now`. The very first
  /// call always returns one, which is how the rate is known here.
  /// Range: `host`, `now` and `time` never decrease. The result's base is not before `time`.
  std::optional<ClockSync> steer(HostTime host, Tick now, GuestTime time);

  /// The guest slept from `from` until `to` of host time and idles from tick `now` to at most
  /// `until`: none of that tells anything about its speed.
  struct Sleep {
    HostTime from;
    HostTime to;
    Tick now;
    Tick until;
  };
  void slept(const Sleep& sleep);

  /// Where an idle guest at (`now`, `time`) meets the host: when `tick` is due, and the tick that
  /// corresponds to `host`, between `now` and `limit`.
  struct Idle {
    Tick now;
    GuestTime time;
  };
  [[nodiscard]] HostTime host_at(const Idle& idle, Tick tick) const;
  [[nodiscard]] Tick tick_at(const Idle& idle, HostTime host, Tick limit) const;

  /// How far a guest may run before the next steer(): one sync interval of guest time, so that a
  /// rate that has become wrong leads it astray by not much more. Range: 1 to `max`.
  [[nodiscard]] std::uint64_t slice_ticks(std::uint64_t max) const;

  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  static constexpr std::size_t kSamples = 3;

  [[nodiscard]] std::int64_t error_at(HostTime host, GuestTime time) const;
  void measure(HostTime host, Tick now);
  void close_sample();
  bool sped_up();
  [[nodiscard]] std::uint64_t measured_ps_per_tick() const;
  [[nodiscard]] std::uint64_t slewing_ps_per_tick(std::int64_t error_ns) const;
  ClockSync slew(HostTime host, GuestTime time, std::int64_t error_ns);
  ClockSync sync(HostTime host, GuestTime base, std::uint64_t ps_per_tick);

  Options options_;
  Counters counters_;

  // What to aim at: guest time minus host time.
  std::optional<std::int64_t> target_ns_;
  std::optional<std::int64_t> peer_window_ns_;  // Best observation of the current window.
  std::optional<std::int64_t> peer_before_ns_;  // Of the window before.
  HostTime peer_window_start_;

  // The last sync.
  bool synced_ = false;
  bool woke_ = false;
  std::uint64_t ps_per_tick_ = kNominalPsPerTick;
  HostTime looked_;                 // Last sync, or last time that none was needed.
  std::int64_t error_then_ns_ = 0;  // What the last sync left to be slewed.

  // Speed: host time and ticks of the busy guest since the last sample, and the last samples.
  HostTime seen_host_;
  Tick seen_tick_;
  std::uint64_t idle_ns_ = 0;    // Part of the time since seen_host_ that was slept.
  Tick idle_from_, idle_until_;  // Ticks that were idled over.
  std::uint64_t busy_ns_ = 0;
  std::uint64_t busy_ticks_ = 0;
  std::array<std::uint64_t, kSamples> samples_ps_{};  // A ring; newest at (sample_count_ - 1).
  std::uint64_t sample_count_ = 0;
};

}  // namespace ftvm::devices::host
