// Plant::kMarkEarly as a World: what a running guest puts out is marked with the tick before the
// one where it is complete, on both sides alike.
#pragma once

#include <utility>
#include <vector>

#include "emulator/world.h"

namespace ftvm::ftcore::sim {

class EarlyMarks final : public World {
 public:
  explicit EarlyMarks(World& inner) : inner_(inner) {}
  Tick horizon(Tick now) override { return inner_.horizon(now); }
  std::vector<Input> take_inputs(Tick now, GuestTime time, InputRoom room) override {
    stopped_at_ = now;
    return inner_.take_inputs(now, time, room);
  }
  Tick wait(Tick now, GuestTime time, Tick due) override { return inner_.wait(now, time, due); }
  void grid_line(Tick now, std::uint64_t line, StateProbe& probe) override {
    stopped_at_ = now;
    inner_.grid_line(now, line, probe);
  }
  void emit(Output output) override {
    if (output.at > stopped_at_) --output.at.value;
    inner_.emit(std::move(output));
  }
  bool should_end(Tick now, EndReason* reason) override { return inner_.should_end(now, reason); }
  void end(Tick now, EndReason reason, const Digest& state) override {
    inner_.end(now, reason, state);
  }

 private:
  World& inner_;
  Tick stopped_at_;
};

}  // namespace ftvm::ftcore::sim
