// The outside of a simulated machine: what is typed, what the clock says, when the operator ends
// it, and slices of any length. What it gives is drawn anew on each side, so a replica cannot guess
// what its primary was given; the bytes that are typed are those of one stream, as a client repeats
// what nobody acknowledged.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "devices/host/outside.h"
#include "emulator/base/prng.h"
#include "ftcore/sim/sim_guest.h"

namespace ftvm::ftcore::sim {

class SimOutside final : public devices::host::Outside {
 public:
  struct Options {
    /// Between two inputs of a kind: up to twice as many. Units: ticks.
    std::uint64_t typed_ticks = 3'000;
    std::uint64_t sync_ticks = 10'000;
    /// Slices are of 1 to this many ticks.
    std::uint64_t slice_ticks_max = 1'000;
  };
  /// Lifetime: `turn` outlives it.
  SimOutside(Options options, Prng random, const Turn& turn)
      : options_(options), random_(random), turn_(turn) {}

  /// From now on should_end() says so.
  void request_end(EndReason reason) { end_ = reason; }
  /// Byte `offset` of what is typed into the machine, whoever is live.
  static std::uint8_t typed_byte(std::uint64_t offset) {
    return static_cast<std::uint8_t>(offset * 0x9e3779b97f4a7c15 >> 56);
  }

  // Outside.
  void set_console_offsets(std::uint64_t input, std::uint64_t) override { typed_ = input; }
  void observe_clock(GuestTime) override {}
  [[nodiscard]] bool stop_requested() const override { return false; }

  // World.
  Tick horizon(Tick now) override {
    const Tick slice = now.plus(1 + random_.below(options_.slice_ticks_max));
    return std::max(now, std::min({slice, next_input(), turn_.target()}));
  }
  std::vector<Input> take_inputs(Tick now, GuestTime time, InputRoom room) override {
    std::vector<Input> inputs;
    if (!began_) begin(now);
    if (next_sync_ <= now) {
      next_sync_ = gap(now, options_.sync_ticks);
      const ClockSync sync{time.plus_ns(random_.below(1'000'000)), 1'000'000};
      inputs.push_back({now, Endpoint::kClock, sync});
    }
    if (next_typed_ <= now) {
      next_typed_ = gap(now, options_.typed_ticks);
      Bytes bytes(std::min<std::uint64_t>(1 + random_.below(3), room.console_bytes));
      if (bytes.empty()) return inputs;
      for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = typed_byte(typed_ + i);
      const std::uint64_t offset = typed_;
      typed_ += bytes.size();
      inputs.push_back({now, Endpoint::kConsole, ConsoleBytes{offset, std::move(bytes)}});
    }
    return inputs;
  }
  /// An idle guest passes its time as a busy one does: up to the end of the turn.
  Tick wait(Tick now, GuestTime, Tick next_due) override {
    if (next_due == Tick::never()) return now;
    return std::max(now, std::min({next_due, next_input(), turn_.target()}));
  }
  void grid_line(Tick, std::uint64_t, StateProbe&) override {}
  void emit(Output) override {}
  bool should_end(Tick, EndReason* reason) override {
    if (end_) *reason = *end_;
    return end_.has_value();
  }
  void end(Tick, EndReason, const Digest&) override {}

 private:
  /// A backup begins when it goes live.
  void begin(Tick now) {
    began_ = true;
    draw_from(now);
  }
  void draw_from(Tick now) {
    next_typed_ = gap(now, options_.typed_ticks);
    next_sync_ = gap(now, options_.sync_ticks);
  }
  Tick gap(Tick now, std::uint64_t mean) { return now.plus(1 + random_.below(2 * mean)); }
  [[nodiscard]] Tick next_input() const { return std::min(next_typed_, next_sync_); }

  Options options_;
  Prng random_;
  const Turn& turn_;
  bool began_ = false;
  std::uint64_t typed_ = 0;  // Offset of the next byte.
  Tick next_typed_, next_sync_;
  std::optional<EndReason> end_;
};

}  // namespace ftvm::ftcore::sim
