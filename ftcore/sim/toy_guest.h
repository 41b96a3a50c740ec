// A guest that is nothing but what a World can see of one: it makes outputs at ticks of its own,
// echoes what it is given, has a timer, halts, and crosses grid lines. Everything it does depends
// on every input it was ever given and on the tick of each, so one that is lost, doubled or late
// shows in the next byte. A run of a pair of them takes about a millisecond.
#pragma once

#include <cstdint>

#include "emulator/base/bytes.h"
#include "emulator/base/prng.h"
#include "emulator/world.h"
#include "ftcore/sim/sim_guest.h"

namespace ftvm::ftcore::sim {

class ToyGuest final : public SimGuest, public StateProbe {
 public:
  /// Distance of its grid lines. Units: ticks.
  static constexpr std::uint64_t kGridTicks = 16'384;

  struct Options {
    std::uint64_t seed = 1;  // Which program it is: the same on both sides.
    /// Ticks between two outputs of its own, and between two timers: up to twice as many.
    std::uint64_t output_ticks = 2'000;
    std::uint64_t timer_ticks = 5'000;
    /// It powers off by itself at the first timer from here on.
    Tick power_off = Tick::never();
    /// Planted: from this tick on it computes something else. A replica that is no replica.
    Tick wrong_from = Tick::never();
  };
  explicit ToyGuest(Options options);

  bool run(World& world, const Turn& turn) override;
  [[nodiscard]] Ended ended() const override { return end_; }
  [[nodiscard]] const char* refused() const override { return refused_; }

  Digest digest_slice(std::uint32_t slice) override { return digest(slice); }
  Digest digest_all() override { return digest(~std::uint64_t{0}); }

 private:
  [[nodiscard]] Digest digest(std::uint64_t salt) const;
  [[nodiscard]] GuestTime guest_time() const { return {tick_ * kNsPerTick + behind_ns_}; }
  void mix(std::uint64_t value);
  /// 1 to 2 * mean, from the state.
  [[nodiscard]] std::uint64_t gap(std::uint64_t mean);
  void arrive(World& world);
  void fire_timers(World& world);
  void deliver(const Input& input, World& world);
  void step(World& world);
  void run_to(World& world, std::uint64_t limit);
  void put_out(World& world);

  static constexpr std::uint64_t kNsPerTick = 1'000;

  Options options_;
  std::uint64_t tick_ = 0;
  std::uint64_t memory_;
  std::uint64_t next_output_ = 0;
  std::uint64_t timer_due_ = 0;
  std::uint64_t grid_done_ = 0;
  std::uint64_t typed_ = 0;      // Console bytes it was given.
  std::uint64_t behind_ns_ = 0;  // What clock syncs added to its time.
  bool halted_ = false;
  bool powered_off_ = false;
  bool over_ = false;
  Ended end_{};
  const char* refused_ = "";
};

}  // namespace ftvm::ftcore::sim
