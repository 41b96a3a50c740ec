// The shared storage with the slots of a pair, and how long it takes to answer. It may be slow or
// away; it may also do what it was asked and lose the answer, which is what makes a test-and-set
// hard: the caller hears kUnknown and has won.
//
// The real one is ftcore/arbiter; this one keeps its promises and none of its files.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "emulator/base/mark.h"
#include "emulator/base/prng.h"
#include "ftcore/protocol/arbiter_answer.h"
#include "ftcore/protocol/message.h"
#include "ftcore/sim/event_queue.h"

namespace ftvm::ftcore::sim {

class SimArbiter {
 public:
  struct Options {
    std::int64_t answer_ns_min = 1 * kNsPerMs;
    std::int64_t answer_ns_max = 10 * kNsPerMs;
    /// When it is away, so long until a caller gives up.
    std::int64_t timeout_ns = 50 * kNsPerMs;
    /// Planted bug: everybody wins.
    bool two_winners = false;
  };
  SimArbiter(EventQueue& events, Prng random, Options options)
      : events_(events), random_(random), options_(options) {}

  void open(Epoch epoch, Uuid who, std::function<void(SlotAnswer)> reply) {
    ask([this, epoch, who, reply = std::move(reply)](bool away) {
      reply(away ? SlotAnswer::kUnreachable : look(epoch, who));
    });
  }
  void test_and_set(Epoch epoch, Uuid who, std::function<void(ArbiterAnswer)> reply) {
    ask([this, epoch, who, reply = std::move(reply)](bool away) {
      if (away) return reply(ArbiterAnswer::kUnknown);
      const ArbiterAnswer answer = set(epoch, who);
      const bool lost = replies_lost_until_ > events_.now();
      if (lost) FTVM_MARK("sim.arbiter_reply_lost");
      reply(lost ? ArbiterAnswer::kUnknown : answer);
    });
  }

  /// Any slot at all.
  [[nodiscard]] bool has_won(Uuid who) const {
    return std::any_of(slots_.begin(), slots_.end(),
                       [who](const auto& slot) { return slot.second.set_by == who; });
  }

  /// A slot that nobody can win any more.
  [[nodiscard]] bool torn() const {
    return std::any_of(slots_.begin(), slots_.end(),
                       [](const auto& slot) { return slot.second.torn; });
  }

  // Faults. Units: until then.
  void leave(HostTime until) { away_until_ = std::max(away_until_, until); }
  void lose_replies(HostTime until) { replies_lost_until_ = std::max(replies_lost_until_, until); }
  void tear_next_write() { tears_ = true; }
  void slow_down(HostTime until, std::int64_t by_ns) {
    slow_until_ = until;
    slow_by_ns_ = by_ns;
  }

 private:
  struct Slot {
    Uuid opened_by;
    Uuid set_by;
    bool torn = false;
  };

  /// `then` is told whether the storage was away for the whole time.
  void ask(std::function<void(bool away)> then) {
    if (away_until_ > events_.now()) {
      FTVM_MARK("sim.arbiter_away");
      events_.after(options_.timeout_ns, [then = std::move(then)] { then(true); });
      return;
    }
    const auto range = static_cast<std::uint64_t>(options_.answer_ns_max - options_.answer_ns_min);
    std::int64_t ns = options_.answer_ns_min + static_cast<std::int64_t>(random_.below(range + 1));
    if (slow_until_ > events_.now()) ns += slow_by_ns_;
    events_.after(ns, [then = std::move(then)] { then(false); });
  }
  SlotAnswer look(Epoch epoch, Uuid who) {
    const auto [place, fresh] = slots_.try_emplace(epoch.value, Slot{who, {}});
    const Slot& slot = place->second;
    return slot.opened_by == who && slot.set_by.is_zero() ? SlotAnswer::kOpened
                                                          : SlotAnswer::kTaken;
  }
  ArbiterAnswer set(Epoch epoch, Uuid who) {
    if (options_.two_winners) return ArbiterAnswer::kWon;
    Slot& slot = slots_[epoch.value];
    if (slot.set_by.is_zero() && std::exchange(tears_, false)) slot.torn = true;
    if (slot.torn) {
      FTVM_MARK("sim.arbiter_torn");
      return ArbiterAnswer::kUnknown;
    }
    if (slot.set_by.is_zero()) slot.set_by = who;
    return slot.set_by == who ? ArbiterAnswer::kWon : ArbiterAnswer::kLost;
  }

  EventQueue& events_;
  Prng random_;
  Options options_;
  std::map<std::uint64_t, Slot> slots_;
  HostTime away_until_, replies_lost_until_, slow_until_;
  std::int64_t slow_by_ns_ = 0;
  bool tears_ = false;
};

}  // namespace ftvm::ftcore::sim
