// Keeps the backup close: says what share of the time the primary's vCPU may run. It never stops
// the primary; running out of credit does that.
//
// It steers by what the backup says of its execution (execution_lag.h), so a slow network neither
// looks like a slow backup nor hides one. It only makes the answer come later, and then steps are
// smaller.
//
// Source: Scales, Nelson, Venkitachalam (2010), section 2.4, "acceptable execution lag"; a
// critically damped PD controller on an integrating plant, any control textbook. Floating point is
// fine here: nothing of it reaches guest, journal or digest.
#pragma once

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
    double execution_lag_ms = 0;  // As last heard.
    double predicted_lag_ms = 0;  // What the controller steered by.
    double send_to_ack_ms = 0;    // Of the last record acknowledged: the way there and back.
    double send_to_ack_ms_max = 0;
  };
  /// Batches whose time of sending is remembered; more in flight are not measured.
  static constexpr std::size_t kSentMax = 4096;

  explicit LagControl(Options options);

  /// A new session: everything starts over.
  void start(HostTime now);
  void on_sent(JournalSeq last, HostTime now);
  /// The backup had accepted `accepted`, and said how far its execution is behind: `age_ms` and
  /// `cost_ms` of ExecutionLag. Returns the duty from now on; in 10 ms it falls by no more than
  /// kStepDown of itself, or kStepDownFar beyond twice the target, and rises by no more than
  /// kStepUp.
  double on_ack(JournalSeq accepted, double age_ms, double cost_ms, HostTime now);

  [[nodiscard]] double duty() const { return duty_; }
  [[nodiscard]] const Measures& measures() const { return measures_; }

  static constexpr double kStepDown = 0.25;
  /// A backup that became ten times slower pays for every millisecond of hesitation with ten.
  static constexpr double kStepDownFar = 0.5;
  static constexpr double kStepUp = 0.05;

 private:
  struct SentBatch {
    JournalSeq last;
    HostTime at;
  };
  void steer(HostTime now);

  Options options_;
  std::deque<SentBatch> sent_;
  double duty_ = 1;
  double lag_before_ = 0;  // In targets, at the last steering.
  HostTime steered_at_;
  Measures measures_;
};

}  // namespace ftvm::ftcore
