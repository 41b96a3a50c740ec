// Keeps the backup close: measures how far its execution is behind, and says what share of the time
// the primary's vCPU may run. It never stops the primary; running out of credit does that.
//
// Execution lag is host time since the primary left the tick where the backup stands now. When a
// slow backup has a backlog, that number grows for long after the primary was slowed (the backlog
// was made at full speed), so the controller steers by what the backlog will cost: ticks behind,
// over the ticks per second the backup shows it can do.
//
// Source: Scales, Nelson, Venkitachalam (2010), section 2.4, "acceptable execution lag"; a
// critically damped PD controller on an integrating plant, any control textbook. Floating point is
// fine here: nothing of it reaches guest, journal or digest.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "emulator/base/units.h"
#include "ftcore/protocol/message.h"

namespace ftvm::ftcore {

class LagControl {
 public:
  struct Options {
    /// Execution lag that is left alone. Units: milliseconds. Range: above 0.
    double target_ms = 100;
    /// The primary always runs this share of the time at least. Range: above 0 up to 1.
    double duty_min = 0.02;
  };
  struct Measures {
    double execution_lag_ms = 0;  // At the last acknowledgement.
    double predicted_lag_ms = 0;  // What the controller steered by.
    double send_to_ack_ms = 0;    // Of the last record acknowledged.
    double send_to_ack_ms_max = 0;
  };
  /// Samples of the primary's own progress, one each kSampleNs: two seconds of history. A backup
  /// farther behind has at least that lag.
  static constexpr std::size_t kSamplesMax = 512;
  static constexpr std::int64_t kSampleNs = 4 * kNsPerMs;
  /// Batches whose time of sending is remembered; more in flight are not measured.
  static constexpr std::size_t kSentMax = 256;

  explicit LagControl(Options options);

  /// A new session: history and duty start over.
  void start(Tick at, HostTime now);
  /// The primary's vCPU stands at `tick`. Range: both never fall.
  void on_progress(Tick tick, HostTime now);
  void on_sent(JournalSeq last, HostTime now);
  /// The backup's vCPU stood at `executed` and had accepted `accepted`. Returns the duty from now
  /// on; in 10 ms it falls by no more than kStepDown and rises by no more than kStepUp of itself.
  double on_ack(JournalSeq accepted, Tick executed, HostTime now);

  [[nodiscard]] double duty() const { return duty_; }
  [[nodiscard]] const Measures& measures() const { return measures_; }

  static constexpr double kStepDown = 0.25;
  static constexpr double kStepUp = 0.05;

 private:
  struct Sample {
    HostTime at;  // Last time the primary was seen at `tick`.
    Tick tick;
  };
  struct SentBatch {
    JournalSeq last;
    HostTime at;
  };
  [[nodiscard]] double lag_ms(Tick executed, HostTime now) const;
  void learn_rate(Tick executed, HostTime now);
  [[nodiscard]] double predict_ms(Tick executed) const;
  void steer(HostTime now);

  Options options_;
  std::deque<Sample> samples_;  // Both fields rise; never empty after start().
  Sample latest_;               // Not older than samples_.back().
  std::deque<SentBatch> sent_;
  double duty_ = 1;
  double rate_ = 0;        // Backup's ticks per millisecond; 0 is not known.
  double round_trip_ms_ = 0;  // Mean of the last few.
  double lag_before_ = 0;  // In targets, at the last steering.
  Tick executed_;          // At the last learn_rate.
  HostTime executed_at_;
  HostTime steered_at_;
  Measures measures_;
};

}  // namespace ftvm::ftcore
