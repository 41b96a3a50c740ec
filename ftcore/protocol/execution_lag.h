// How far a backup's machine is behind what it may execute, measured where nothing but execution
// can make it late: between the arrival of a record or grant and the machine's reaching it. What
// the network adds on either way is not in it (that is LagControl's send_to_ack).
//
// Two figures, because neither is enough. When a slow backup has a backlog, the age of its oldest
// part goes on growing long after the primary was slowed; what the backlog will still cost is known
// at once, but only as well as the backup's speed is. Speed is against the primary's, for the same
// piece of the run: ticks for themselves say little (primary_time.h).
//
// Source: Scales, Nelson, Venkitachalam (2010), section 2.4, "execution lag". Floating point is
// fine here: nothing of it reaches guest, journal or digest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "emulator/base/units.h"
#include "ftcore/protocol/message.h"
#include "ftcore/protocol/primary_time.h"

namespace ftvm::ftcore {

class ExecutionLag {
 public:
  /// The machine stands at `at`, and may go no further.
  ExecutionLag(Tick at, HostTime now);

  /// It may run to `limit` from now on. Range: never falls.
  void on_limit(Tick limit, HostTime now);
  /// The same, and the primary's machine ran for `ran_us` to get there. Range: neither ever falls.
  void on_grant(Tick limit, std::uint64_t ran_us, HostTime now);
  /// It stands at `tick`. Range: never falls; not beyond the limit.
  void on_executed(Tick tick, HostTime now);

  /// Since when the machine has had what it has not executed. Units: milliseconds.
  [[nodiscard]] double age_ms(HostTime now) const;
  /// What it takes to execute that, at the speed shown lately; 0 when none was shown yet. A machine
  /// that has shown nothing for kStandingNs is slow, and slower with every moment.
  /// Units: milliseconds. Range: up to an hour.
  [[nodiscard]] double cost_ms(HostTime now) const;
  /// As the last grant said.
  [[nodiscard]] std::uint64_t ran_us() const { return primary_.ran_us(); }

 private:
  /// Arrivals kept, one each kSampleNs. Behind more than two seconds of them age_ms() is too high.
  static constexpr std::size_t kSamplesMax = 512;
  static constexpr std::int64_t kSampleNs = 4 * kNsPerMs;
  /// Speed is learned in pieces of at least this length; shorter ones say little.
  static constexpr std::int64_t kLearnNs = 8 * kNsPerMs;
  /// Standing still is not judged sooner: a busy host stops a thread for 30 ms now and then.
  static constexpr std::int64_t kStandingNs = 40 * kNsPerMs;

  struct Sample {
    HostTime at;  // When the limit rose to `limit`.
    Tick limit;
  };
  void start_over(HostTime now);
  void learn_speed(HostTime now);
  void learn_from(HostTime now);
  [[nodiscard]] double speed_with(double reached_ms, HostTime now) const;

  std::deque<Sample> samples_;  // Not executed yet; both fields rise.
  Tick limit_;
  Tick executed_;
  PrimaryTime primary_;
  double speed_ = 0;  // In primaries, while there was something to execute; 0 is not known.
  Tick learned_tick_;
  HostTime learned_at_;
};

}  // namespace ftvm::ftcore
