// What a fault can do to a process: it dies, with or without its host, or it is stopped and goes on
// later. Whatever happens to a process goes through here, so that a dead one hears nothing and a
// stopped one hears everything late, in the order in which it came.
#pragma once

#include <deque>
#include <functional>
#include <utility>

#include "emulator/base/assert.h"
#include "ftcore/sim/event_queue.h"

namespace ftvm::ftcore::sim {

class SimProcess {
 public:
  [[nodiscard]] bool dead() const { return dead_; }
  [[nodiscard]] bool host_lost() const { return host_lost_; }
  [[nodiscard]] bool running() const { return !dead_ && !stopped_; }

  /// Happens now, when the process goes on, or never.
  void tell(EventQueue::Event event) {
    if (dead_) return;
    if (stopped_) {
      late_.push_back(std::move(event));
    } else {
      event();
    }
  }

  void kill() {
    dead_ = true;
    late_.clear();
  }
  /// Nothing that its kernel still held leaves any more, and nobody is told that it is gone.
  void lose_host() {
    host_lost_ = true;
    kill();
  }
  void stop() { stopped_ = !dead_; }
  void go_on() {
    stopped_ = false;
    while (running() && !late_.empty()) {
      const EventQueue::Event event = std::move(late_.front());
      late_.pop_front();
      event();
    }
  }

 private:
  bool dead_ = false;
  bool host_lost_ = false;
  bool stopped_ = false;
  std::deque<EventQueue::Event> late_;
};

}  // namespace ftvm::ftcore::sim
