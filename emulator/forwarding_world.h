// A World around a World that changes nothing: for those that change one thing.
#pragma once

#include <utility>
#include <vector>

#include "emulator/world.h"

namespace ftvm {

class ForwardingWorld : public World {
 public:
  /// Lifetime: borrows `inner`.
  explicit ForwardingWorld(World& inner) : inner_(inner) {}

  Tick horizon(Tick now) override { return inner_.horizon(now); }
  std::vector<Input> take_inputs(Tick now, GuestTime time, InputRoom room) override {
    return inner_.take_inputs(now, time, room);
  }
  Tick wait(Tick now, GuestTime time, Tick next_due) override {
    return inner_.wait(now, time, next_due);
  }
  void grid_line(Tick now, std::uint64_t line, StateProbe& probe) override {
    inner_.grid_line(now, line, probe);
  }
  void emit(Output output) override { inner_.emit(std::move(output)); }
  bool should_end(Tick now, EndReason* reason) override { return inner_.should_end(now, reason); }
  void end(Tick now, EndReason reason, const Digest& state) override {
    inner_.end(now, reason, state);
  }

 private:
  World& inner_;
};

}  // namespace ftvm
