// How long the primary's machine ran to get to a tick, as its grants say. What a backup has left to
// execute is measured in it, and not in ticks: a tick of code that runs for the first time costs
// some hundred times more than one of a loop, on both nodes alike.
//
// Threading: none of its own.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>

#include "emulator/base/assert.h"
#include "emulator/base/units.h"

namespace ftvm::ftcore {

class PrimaryTime {
 public:
  /// The machine stands at `start`, where the count begins.
  explicit PrimaryTime(Tick start) { marks_.push_back({start, 0}); }

  /// It had run for `ran_us` when it was at `tick`. Range: neither ever falls.
  void on_mark(Tick tick, std::uint64_t ran_us) {
    FTVM_ASSERT(tick >= marks_.back().tick);
    FTVM_ASSERT(ran_us >= marks_.back().us);
    if (tick == marks_.back().tick || marks_.size() == kMarksMax) {
      marks_.back() = {tick, ran_us};
    } else {
      marks_.push_back({tick, ran_us});
    }
  }
  /// Nobody will ask for an earlier tick.
  void forget_before(Tick tick) {
    while (marks_.size() > 1 && marks_[1].tick <= tick) marks_.pop_front();
  }

  /// Even between two marks, and the last mark's beyond it. Units: milliseconds.
  [[nodiscard]] double ms_at(Tick tick) const {
    const auto next = mark_beyond(tick);
    const Mark& from = *std::prev(next);
    double us = static_cast<double>(from.us);
    if (next != marks_.end()) {
      us += static_cast<double>(next->us - from.us) *
            static_cast<double>(tick.value - from.tick.value) /
            static_cast<double>(next->tick.value - from.tick.value);
    }
    return us / 1000;
  }

  /// At the first mark beyond `tick`, or else the last one. Units: milliseconds.
  [[nodiscard]] double ms_beyond(Tick tick) const {
    const auto next = mark_beyond(tick);
    return static_cast<double>(next == marks_.end() ? ran_us() : next->us) / 1000;
  }

  /// The last mark.
  [[nodiscard]] Tick tick() const { return marks_.back().tick; }
  [[nodiscard]] std::uint64_t ran_us() const { return marks_.back().us; }

 private:
  /// Some ten seconds of grants; farther behind only the sum of what came later is known.
  static constexpr std::size_t kMarksMax = 512;
  struct Mark {
    Tick tick;
    std::uint64_t us;
  };
  [[nodiscard]] std::deque<Mark>::const_iterator mark_beyond(Tick tick) const {
    const auto next = std::ranges::upper_bound(marks_, tick, {}, &Mark::tick);
    FTVM_ASSERT(next != marks_.begin());
    return next;
  }

  std::deque<Mark> marks_;  // Ticks rise, never empty.
};

}  // namespace ftvm::ftcore
