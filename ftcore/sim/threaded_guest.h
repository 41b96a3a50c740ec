// A real machine in turns. It cannot give a turn back in the middle of its run loop, so it has a
// thread of its own, which runs only while the simulator waits for it: there is never more than one
// of them, and what happens is a function of the seed and not of the host's scheduler.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <semaphore>
#include <thread>

#include "emulator/base/assert.h"
#include "emulator/world.h"
#include "ftcore/sim/sim_guest.h"

namespace ftvm::ftcore::sim {

class ThreadedGuest final : public SimGuest {
 public:
  /// Makes a machine, runs it under the world to its end, and destroys it; all on the guest's
  /// thread.
  using Body = std::function<Ended(World&)>;

  explicit ThreadedGuest(Body body) : body_(std::move(body)) {}
  ~ThreadedGuest() override {
    if (!thread_) return;
    abandoned_ = true;
    while (!ended_) take_turn();
    thread_->join();
  }
  ThreadedGuest(const ThreadedGuest&) = delete;
  ThreadedGuest& operator=(const ThreadedGuest&) = delete;

  /// Lifetime: `world` outlives the run.
  bool run(World& world, const Turn& turn) override {
    if (ended_) return true;
    turn_ = &turn;
    if (!thread_) {
      inner_ = &world;
      thread_.emplace([this] { live(); });
    }
    FTVM_ASSERT(inner_ == &world);
    take_turn();
    return ended_.has_value();
  }
  [[nodiscard]] Ended ended() const override { return *ended_; }

 private:
  /// Where the machine gives its turn back: where it asks whether to end.
  class Stops final : public World {
   public:
    explicit Stops(ThreadedGuest& guest) : guest_(guest) {}
    Tick horizon(Tick now) override { return inner().horizon(now); }
    std::vector<Input> take_inputs(Tick now, GuestTime time, InputRoom room) override {
      return inner().take_inputs(now, time, room);
    }
    Tick wait(Tick now, GuestTime time, Tick next_due) override {
      return inner().wait(now, time, next_due);
    }
    void grid_line(Tick now, std::uint64_t line, StateProbe& probe) override {
      inner().grid_line(now, line, probe);
    }
    void emit(Output output) override { inner().emit(std::move(output)); }
    bool should_end(Tick now, EndReason* reason) override {
      if (!guest_.abandoned_ && inner().should_end(now, reason)) return true;
      while (!guest_.abandoned_ && guest_.turn_->over()) guest_.give_back();
      if (guest_.abandoned_) *reason = EndReason::kHalted;
      return guest_.abandoned_;
    }
    void end(Tick now, EndReason reason, const Digest& state) override {
      if (!guest_.abandoned_) inner().end(now, reason, state);
    }

   private:
    World& inner() { return *guest_.inner_; }
    ThreadedGuest& guest_;
  };

  void live() {
    go_.acquire();
    Stops stops(*this);
    const Ended ended = body_(stops);
    ended_ = ended;
    back_.release();
  }
  void take_turn() {
    go_.release();
    back_.acquire();
  }
  void give_back() {
    back_.release();
    go_.acquire();
  }

  Body body_;
  World* inner_ = nullptr;
  const Turn* turn_ = nullptr;
  bool abandoned_ = false;
  std::optional<Ended> ended_;
  // Whose turn it is; everything else is handed over with it.
  std::binary_semaphore go_{0}, back_{0};
  std::optional<std::thread> thread_;
};

}  // namespace ftvm::ftcore::sim
