// A machine for tests of Worlds: it stops, takes inputs, makes outputs and ends in the order that
// emulator/machine.h promises, without any CPU. What it does is a function of its seed and its
// inputs, never of how far it was allowed to run at a time. Header only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "emulator/base/digest.h"
#include "emulator/machine.h"
#include "emulator/world.h"

namespace ftvm::test {

/// splitmix64, the same everywhere.
class ToyRandom {
 public:
  explicit ToyRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

class ToyMachine : public StateProbe {
 public:
  /// Planted faults, each at the first chance from tick `from` on.
  enum class Fault { kNone, kOtherByte, kLessOutput, kMoreOutput, kLaterOutput, kOtherState };
  struct Options {
    std::uint64_t seed = 1;
    /// Powers off by itself at the first timer from here on.
    Tick power_off = Tick::never();
    Fault fault = Fault::kNone;
    Tick fault_from{};
  };
  explicit ToyMachine(Options options) : options_(options), random_(options.seed) {
    next_access_ = random_.below(kAccessGap);
    timer_due_ = random_.below(kTimerGap) + 1;
  }

  struct Result {
    EndReason reason;
    Tick at;
    Digest state;
  };

  Result run(World& world) {
    EndReason reason = EndReason::kStopped;
    while (true) {
      arrive(world);
      if (ended_ || world.should_end(Tick{tick_}, &reason)) break;
      step(world);
    }
    if (ended_) reason = EndReason::kPowerOff;
    const Digest state = digest_all();
    world.end(Tick{tick_}, reason, state);
    return {reason, Tick{tick_}, state};
  }

  Digest digest_slice(std::uint32_t slice) override { return digest(slice); }
  Digest digest_all() override { return digest(~std::uint64_t{0}); }
  [[nodiscard]] Tick now() const { return Tick{tick_}; }

 private:
  static constexpr std::uint64_t kAccessGap = kGridTicks / 3;
  static constexpr std::uint64_t kTimerGap = kGridTicks * 3;

  Digest digest(std::uint64_t salt) const {
    Bytes bytes;
    ByteWriter writer(bytes);
    for (const std::uint64_t word :
         {salt, tick_, memory_, next_access_, timer_due_, std::uint64_t{halted_}}) {
      writer.put(word);
    }
    return digest_of(bytes);
  }

  void mix(std::uint64_t value) { memory_ = ToyRandom(memory_ ^ value).next(); }

  void arrive(World& world) {
    const std::uint64_t line = tick_ / kGridTicks;
    if (line != grid_done_) {
      grid_done_ = line;
      world.grid_line(Tick{tick_}, line, *this);
    }
    fire_timers(world);
    if (ended_) return;
    for (const Input& input : world.take_inputs(Tick{tick_}, GuestTime{tick_ * 10}, {64})) {
      deliver(input, world);
      fire_timers(world);
      if (ended_) return;
    }
  }

  void fire_timers(World& world) {
    while (timer_due_ <= tick_ && !ended_) {
      mix(timer_due_);
      halted_ = false;
      timer_due_ = tick_ + 1 + random_.below(kTimerGap);
      if (options_.fault == Fault::kOtherState && tick_ >= options_.fault_from.value) mix(1);
      if (random_.one_in(3)) output(world, tick_, Endpoint::kNet0);
      ended_ = tick_ >= options_.power_off.value;
    }
  }

  void deliver(const Input& input, World& world) {
    EXPECT_EQ(input.at.value, tick_);
    halted_ = false;
    if (const auto* sync = std::get_if<ClockSync>(&input.body)) mix(sync->base.ns);
    if (const auto* frame = std::get_if<NetFrame>(&input.body)) mix(short_digest_of(frame->bytes));
    if (const auto* done = std::get_if<DiskDone>(&input.body)) mix(done->request_id);
    if (const auto* console = std::get_if<ConsoleBytes>(&input.body)) {
      mix(short_digest_of(console->bytes));
      output(world, tick_, Endpoint::kConsole);   // Echo.
      if (random_.one_in(4)) timer_due_ = tick_;  // Makes a timer due at once.
    }
  }

  void step(World& world) {
    const Tick now{tick_};
    if (halted_) {
      const Tick until = world.wait(now, GuestTime{tick_ * 10}, Tick{timer_due_});
      EXPECT_GE(until, now);
      EXPECT_LE(until, Tick{timer_due_});
      // An idle machine stops on every grid line, too: what happens there must not depend on how
      // far it was let idle at a time.
      tick_ = std::min(until.value, (tick_ / kGridTicks + 1) * kGridTicks);
      next_access_ = std::max(next_access_, tick_);
      return;
    }
    const Tick horizon = world.horizon(now);
    if (horizon <= now) {
      (void)world.wait(now, GuestTime{tick_ * 10}, Tick{timer_due_});
      return;
    }
    const std::uint64_t grid = (tick_ / kGridTicks + 1) * kGridTicks;
    run_to(world, std::min({horizon.value, timer_due_, grid}));
  }

  /// Accesses happen at next_access_ and are complete one tick later.
  void run_to(World& world, std::uint64_t limit) {
    while (next_access_ + 1 <= limit) {
      tick_ = next_access_ + 1;
      mix(tick_);
      output(world, tick_, Endpoint::kConsole);
      next_access_ = tick_ + random_.below(kAccessGap);
      if (random_.one_in(5)) {
        halted_ = true;
        return;
      }
    }
    tick_ = limit;
  }

  void output(World& world, std::uint64_t at, Endpoint endpoint) {
    Bytes bytes(1 + memory_ % 7, static_cast<std::uint8_t>(memory_));
    const bool fault = options_.fault != Fault::kNone && at >= options_.fault_from.value;
    if (fault && options_.fault == Fault::kLessOutput) {
      options_.fault = Fault::kNone;
      return;
    }
    if (fault && options_.fault == Fault::kOtherByte) bytes.back() ^= 1;
    if (fault && options_.fault == Fault::kLaterOutput) at += 1;
    world.emit(Output{Tick{at}, endpoint, bytes});
    if (fault && options_.fault == Fault::kMoreOutput) {
      world.emit(Output{Tick{at}, endpoint, bytes});
    }
    if (fault && options_.fault != Fault::kOtherState) options_.fault = Fault::kNone;
  }

  Options options_;
  ToyRandom random_;
  std::uint64_t tick_ = 0;
  std::uint64_t memory_ = 0;
  std::uint64_t next_access_ = 0;
  std::uint64_t timer_due_ = 0;
  std::uint64_t grid_done_ = 0;
  bool halted_ = false;
  bool ended_ = false;
};

/// An outside that does as it likes: random slices, inputs and wake-ups, until `stop`.
class ToyOutside : public World {
 public:
  ToyOutside(std::uint64_t seed, Tick stop) : random_(seed), stop_(stop) {}

  Tick horizon(Tick now) override {
    return std::min(now.plus(1 + random_.below(kGridTicks / 2)), std::max(now, stop_));
  }
  std::vector<Input> take_inputs(Tick now, GuestTime time, InputRoom) override {
    std::vector<Input> inputs;
    while (random_.one_in(3)) inputs.push_back(make_input(now, time));
    return inputs;
  }
  Tick wait(Tick now, GuestTime, Tick next_due) override {
    if (random_.one_in(2)) return next_due;
    return std::min(next_due, now.plus(random_.below(kGridTicks * 2)));
  }
  void grid_line(Tick, std::uint64_t, StateProbe&) override {}
  void emit(Output output) override { outputs.push_back(std::move(output)); }
  bool should_end(Tick now, EndReason* reason) override {
    stops.push_back(now);
    *reason = EndReason::kStopped;
    return now >= stop_;
  }
  void end(Tick, EndReason, const Digest&) override { ++ends; }

  std::vector<Output> outputs;
  std::vector<Tick> stops;
  int ends = 0;

 private:
  Input make_input(Tick now, GuestTime time) {
    Bytes bytes(1 + random_.below(20), static_cast<std::uint8_t>(random_.next()));
    switch (random_.below(4)) {
      case 0:
        return {now, Endpoint::kClock, ClockSync{time, 1 + random_.below(1'000'000)}};
      case 1:
        console_offset_ += bytes.size();
        return {now, Endpoint::kConsole, ConsoleBytes{console_offset_ - bytes.size(), bytes}};
      case 2:
        return {now, Endpoint::kNet0, NetFrame{bytes}};
      default:
        return {now, Endpoint::kDisk0, DiskDone{random_.next(), 0, bytes}};
    }
  }

  ToyRandom random_;
  Tick stop_;
  std::uint64_t console_offset_ = 0;
};

}  // namespace ftvm::test
