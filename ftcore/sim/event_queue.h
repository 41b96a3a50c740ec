// Virtual time. What is to happen is kept with its moment and happens in order; two things of one
// moment in the order in which they were asked for. Nothing else makes time pass.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "emulator/base/assert.h"
#include "ftcore/protocol/message.h"

namespace ftvm::ftcore::sim {

inline constexpr std::int64_t kNsPerUs = 1'000;

class EventQueue {
 public:
  using Event = std::function<void()>;

  [[nodiscard]] HostTime now() const { return now_; }
  [[nodiscard]] HostTime in(std::int64_t ns) const { return {now_.ns + ns}; }
  /// Events so far: what a run cost, and a place in it.
  [[nodiscard]] std::uint64_t done() const { return done_; }

  /// Range: not in the past.
  void at(HostTime when, Event event) {
    FTVM_ASSERT(when >= now_);
    heap_.push_back({when, ++asked_, std::move(event)});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  void after(std::int64_t ns, Event event) { at(in(ns), std::move(event)); }

  /// The next event, if there is one up to `until`; else time moves on to there and false.
  bool step(HostTime until) {
    if (heap_.empty() || heap_.front().when > until) {
      now_ = std::max(now_, until);
      return false;
    }
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Entry entry = std::move(heap_.back());
    heap_.pop_back();
    now_ = entry.when;
    ++done_;
    entry.event();
    return true;
  }
  void run(HostTime until) {
    while (step(until)) {
    }
  }

 private:
  struct Entry {
    HostTime when;
    std::uint64_t number;
    Event event;
  };
  static bool later(const Entry& a, const Entry& b) {
    return a.when != b.when ? a.when > b.when : a.number > b.number;
  }

  std::vector<Entry> heap_;
  HostTime now_;
  std::uint64_t asked_ = 0;
  std::uint64_t done_ = 0;
};

}  // namespace ftvm::ftcore::sim
