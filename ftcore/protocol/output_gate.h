// The output rule: an output waits here until the backup has acknowledged the record of the
// operation that produced it. The vCPU never waits for the gate.
//
// It is not a queue to the host: what it gives out has left, and it neither knows nor cares whether
// anybody received it.
//
// Source: Scales, Nelson, Venkitachalam (2010), section 2.2, "Output Rule".
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "emulator/base/units.h"
#include "emulator/world.h"
#include "ftcore/protocol/role.h"

namespace ftvm::ftcore {

class OutputGate {
 public:
  /// Units: outputs and bytes of their payload, plus kOutputOverheadBytes each.
  struct Counters {
    std::size_t held = 0;
    std::uint64_t held_bytes = 0;
    std::uint64_t held_bytes_max = 0;  // High-water mark since the start.
    std::uint64_t released = 0;
    std::uint64_t dropped = 0;    // Came to, or were held by, a gate that was dropped.
    std::uint64_t forgotten = 0;  // A backup's, confirmed by a receiver or beyond its limit.
  };
  /// Charged for each output, so that many empty ones are bounded too.
  static constexpr std::uint64_t kOutputOverheadBytes = 64;

  explicit OutputGate(GateMode mode) : mode_(mode) {}

  /// Takes an output whose mark is record `mark`. Range: marks rise.
  void hold(JournalSeq mark, Output output);

  /// The backup has every record up to `accepted`. Range: never falls; only when kClosed, so that
  /// an acknowledgement that arrives after the backup was given up counts for nothing.
  void acknowledge(JournalSeq accepted);

  /// Range: a dropped gate stays dropped.
  void set_mode(GateMode mode);

  /// What may leave now, oldest first; it is no longer held.
  std::vector<Output> take_releasable();

  /// A backup's copies up to `mark` are with somebody who outlives the primary.
  void forget(JournalSeq mark);
  /// A backup's oldest copies beyond `bytes`. Nothing that waits for an acknowledgement may be
  /// forgotten: only when kShut.
  void forget_beyond(std::uint64_t bytes);

  [[nodiscard]] GateMode mode() const { return mode_; }
  [[nodiscard]] JournalSeq acknowledged() const { return acknowledged_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  struct Held {
    JournalSeq mark;
    Output output;
  };
  [[nodiscard]] bool may_leave(JournalSeq mark) const;
  Output pop_oldest();

  GateMode mode_;
  std::deque<Held> held_;  // Marks rise.
  JournalSeq last_mark_;   // Of the newest output ever held.
  JournalSeq acknowledged_;
  Counters counters_;
};

}  // namespace ftvm::ftcore
