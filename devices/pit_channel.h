// One counter of the Intel 8254, as a pure function of a count of input clock pulses.
//
// Source: Intel 8254 data sheet (231164-005), "Mode definitions" and "Operation common to all
// modes". A count of 1 in modes 2 and 3, which the data sheet forbids, is taken as 2.
#pragma once

#include <cstdint>
#include <optional>

#include "emulator/state.h"

namespace ftvm::devices {

/// Input clock pulses since power-on. Range: may be negative as an origin in the past.
using PitPulses = std::int64_t;

class PitChannel {
 public:
  /// As firmware leaves a counter: running in `mode` with `count`, low byte first. Range: mode 2 or
  /// 3; count 2 to 65536.
  void start(std::uint8_t mode, std::uint32_t count, bool gate, PitPulses now);

  /// Control word with this counter selected and RW not 0. Clears latches, waits for a count.
  void write_control(std::uint8_t value, PitPulses now);
  /// True when this completed a count.
  bool write_count(std::uint8_t value, PitPulses now);
  std::uint8_t read_count(PitPulses now);

  /// Both do nothing when the last latch was not read yet.
  void latch_count(PitPulses now);
  void latch_status(PitPulses now);

  void set_gate(bool gate, PitPulses now);
  [[nodiscard]] bool gate() const { return gate_; }
  [[nodiscard]] std::uint8_t mode() const { return mode_; }

  /// Level of OUT. Pure: the same pulse gives the same answer, asked or not.
  [[nodiscard]] bool out(PitPulses now) const;
  /// Pulse after `now` at which OUT rises next if nobody touches the counter.
  [[nodiscard]] std::optional<PitPulses> next_rise(PitPulses now) const;
  /// Times the counter was reloaded since it was started, in modes 2 and 3; else 0.
  [[nodiscard]] std::uint64_t cycles(PitPulses now) const;

  void visit_state(StateVisitor& v);

 private:
  /// What the counting element does: its count, and the pulse at which it was loaded.
  struct Cycle {
    PitPulses origin = 0;
    std::uint32_t count = 65536;
  };

  [[nodiscard]] bool periodic() const { return mode_ == 2 || mode_ == 3; }
  [[nodiscard]] bool triggered_by_gate() const { return mode_ == 1 || mode_ == 5; }
  [[nodiscard]] Cycle cycle_at(PitPulses now) const;
  [[nodiscard]] PitPulses elapsed(const Cycle& cycle, PitPulses now) const;
  [[nodiscard]] std::uint16_t visible_count(PitPulses now) const;
  [[nodiscard]] std::uint16_t encode(PitPulses value) const;
  [[nodiscard]] bool null_count(PitPulses now) const;
  [[nodiscard]] std::uint32_t decode(std::uint16_t written) const;
  void load(std::uint32_t count, PitPulses now);
  void settle(PitPulses now);

  std::uint8_t mode_ = 0;
  std::uint8_t access_ = 3;  // RW1, RW0: 1 low byte, 2 high byte, 3 low then high.
  bool bcd_ = false;
  bool gate_ = true;
  bool write_high_next_ = false;
  bool read_high_next_ = false;
  std::uint8_t low_byte_ = 0;  // First of two bytes written.

  bool loaded_ = false;  // The counting element works on cycle_.
  bool paused_ = false;  // The gate holds it (modes 0, 2, 3, 4).
  PitPulses paused_elapsed_ = 0;
  Cycle cycle_;
  bool successor_waits_ = false;  // A new count of modes 2 and 3 takes over at switch_at_.
  PitPulses switch_at_ = 0;
  Cycle successor_;
  bool trigger_waits_ = false;  // Modes 1 and 5: a count is written and not triggered.
  std::uint32_t written_count_ = 65536;
  std::uint16_t idle_count_ = 0;  // What a counter that is not loaded shows.

  std::uint16_t count_latch_ = 0;
  std::uint8_t count_latch_bytes_ = 0;  // Still to be read.
  std::uint8_t status_latch_ = 0;
  bool status_latched_ = false;
};

}  // namespace ftvm::devices
