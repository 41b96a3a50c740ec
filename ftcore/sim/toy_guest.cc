#include "ftcore/sim/toy_guest.h"

#include <algorithm>
#include <variant>

namespace ftvm::ftcore::sim {
namespace {

constexpr std::size_t kRoomBytes = 64;

/// Splitmix64's finalizer: a bijection, so nothing that goes in is lost.
std::uint64_t scramble(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

ToyGuest::ToyGuest(Options options) : options_(options), memory_(scramble(options.seed)) {
  next_output_ = gap(options_.output_ticks);
  timer_due_ = gap(options_.timer_ticks);
}

Digest ToyGuest::digest(std::uint64_t salt) const {
  Bytes bytes;
  ByteWriter writer(bytes);
  for (const std::uint64_t word : {salt, tick_, memory_, next_output_, timer_due_, typed_,
                                   behind_ns_, std::uint64_t{halted_}}) {
    writer.put(word);
  }
  return digest_of(bytes);
}

void ToyGuest::mix(std::uint64_t value) {
  if (Tick{tick_} >= options_.wrong_from) value ^= 1;
  memory_ = scramble(memory_ ^ value) + tick_;
}

std::uint64_t ToyGuest::gap(std::uint64_t mean) {
  memory_ = scramble(memory_ + 1);
  return 1 + memory_ % (2 * mean);
}

bool ToyGuest::run(World& world, const Turn& turn) {
  while (!over_) {
    EndReason reason = EndReason::kPowerOff;
    arrive(world);
    if (powered_off_ || world.should_end(Tick{tick_}, &reason)) {
      over_ = true;
      end_ = {reason, Tick{tick_}, digest_all()};
      world.end(end_.at, end_.reason, end_.state);
    } else if (turn.over()) {
      return false;
    } else {
      step(world);
    }
  }
  return true;
}

/// A stop, in the order of emulator/machine.h: grid line, timers, inputs.
void ToyGuest::arrive(World& world) {
  const std::uint64_t line = tick_ / kGridTicks;
  if (line != grid_done_) {
    grid_done_ = line;
    world.grid_line(Tick{tick_}, line, *this);
  }
  fire_timers(world);
  if (powered_off_) return;
  for (const Input& input : world.take_inputs(Tick{tick_}, guest_time(), {kRoomBytes})) {
    deliver(input, world);
    fire_timers(world);
    if (powered_off_) return;
  }
}

void ToyGuest::fire_timers(World& world) {
  while (timer_due_ <= tick_ && !powered_off_) {
    mix(timer_due_);
    halted_ = false;
    timer_due_ = tick_ + gap(options_.timer_ticks);
    if (memory_ % 3 == 0) put_out(world);
    powered_off_ = Tick{tick_} >= options_.power_off;
  }
}

void ToyGuest::deliver(const Input& input, World& world) {
  if (input.at.value != tick_) refused_ = "an input of another tick";
  halted_ = false;
  if (const auto* sync = std::get_if<ClockSync>(&input.body)) {
    if (sync->base < guest_time()) {
      refused_ = "a clock that goes back";
    } else {
      behind_ns_ += sync->base.ns - guest_time().ns;
    }
    mix(sync->base.ns);
  } else if (const auto* typed = std::get_if<ConsoleBytes>(&input.body)) {
    if (typed->offset != typed_) refused_ = "console bytes that are not the next";
    typed_ = typed->offset + typed->bytes.size();
    for (const std::uint8_t byte : typed->bytes) mix(byte);
    put_out(world);                            // Echo.
    if (memory_ % 4 == 0) timer_due_ = tick_;  // Makes a timer due at once.
  } else {
    refused_ = "an input of a kind it does not know";
  }
}

void ToyGuest::step(World& world) {
  const Tick now{tick_};
  const std::uint64_t grid = (tick_ / kGridTicks + 1) * kGridTicks;
  if (halted_) {
    // An idle machine stops on every grid line, too: what happens there must not depend on how
    // far it was let idle at a time.
    tick_ = std::min(world.wait(now, guest_time(), Tick{timer_due_}).value, grid);
    next_output_ = std::max(next_output_, tick_);
    return;
  }
  const Tick horizon = world.horizon(now);
  if (horizon <= now) {
    (void)world.wait(now, guest_time(), Tick::never());
  } else {
    run_to(world, std::min({horizon.value, timer_due_, grid}));
  }
}

/// An output is complete one tick behind the operation that makes it.
void ToyGuest::run_to(World& world, std::uint64_t limit) {
  while (next_output_ + 1 <= limit) {
    tick_ = next_output_ + 1;
    mix(tick_);
    put_out(world);
    next_output_ = tick_ + gap(options_.output_ticks);
    if (memory_ % 5 == 0) {
      halted_ = true;
      return;
    }
  }
  tick_ = limit;
}

void ToyGuest::put_out(World& world) {
  Bytes bytes(1 + memory_ % 7);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(memory_ >> (8 * i));
  }
  world.emit(Output{Tick{tick_}, Endpoint::kConsole, bytes});
}

}  // namespace ftvm::ftcore::sim
