// A pair in a box: two nodes, what is between them, who watches, and a plan of what goes wrong. A
// run is a function of its options, down to the last byte and the last event.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emulator/base/digest.h"
#include "emulator/base/prng.h"
#include "ftcore/sim/event_queue.h"
#include "ftcore/sim/fault.h"
#include "ftcore/sim/oracle.h"
#include "ftcore/sim/plant.h"
#include "ftcore/sim/side.h"
#include "ftcore/sim/sim_arbiter.h"
#include "ftcore/sim/sim_channel.h"
#include "ftcore/sim/sim_guest.h"
#include "ftcore/sim/sim_node.h"
#include "ftcore/sim/sim_receiver.h"

namespace ftvm::ftcore::sim {

class Cluster {
 public:
  /// Makes the guest of a side, or a fresh one to replay a journal.
  using MakeGuest = std::function<std::unique_ptr<SimGuest>(Side)>;

  /// A node has come past a moment: what a trace of a run is made of.
  struct Passed {
    HostTime at;
    Side side;
    Moment moment;
    std::uint64_t number;
    Role role;
    Epoch epoch;
    Tick tick;
  };
  struct Options {
    std::uint64_t seed = 1;
    std::vector<Fault> plan;
    std::uint32_t detection_ms = 100;
    std::uint32_t heartbeat_ms = 10;
    std::uint64_t held_bytes_max = std::uint64_t{16} << 20;  // Of the primary.
    SimChannel::Options channel{};
    SimArbiter::Options arbiter{};
    SimReceiver::Options receiver{};
    PerSide<SimNode::Options> nodes{};
    /// The pair is left alone for so long; faults come at the places of the plan.
    std::int64_t run_us = 300'000;
    Plant plant = Plant::kNone;
    std::function<void(const Passed&)> trace{};  // May be empty; changes nothing.
  };
  struct Outcome {
    std::vector<Violation> violations;
    /// Of all that left, of the journal of who is left, and of how it ended.
    Digest digest;
    std::uint64_t events = 0;
    std::uint64_t shown_bytes = 0;
    std::uint64_t repeated_bytes = 0;
    bool failed_over = false;     // A node went live alone.
    bool machine_lost = false;    // Faults took both halves; nobody promised anything.
    std::int64_t silence_ns = 0;  // The longest time without new output.
    std::vector<bool> met;        // Of the plan: those faults that struck.
  };

  /// `make_guest` is called for both sides at once, and once more to replay.
  Cluster(Options options, MakeGuest make_guest);
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  Outcome run();

 private:
  struct Beats {
    HostTime lost_until, late_until, twice_until;
  };

  static Options planted(Options options);
  SimNode::Options node_options(Side side) const;
  std::unique_ptr<SimNode> make_node(Side side);
  void on_beat(Side from, const Heartbeat& heartbeat);
  void on_moment(Side side, Moment moment, std::uint64_t number);
  void strike(std::size_t index);
  void strike_node(const Fault& fault);
  void strike_network(const Fault& fault, HostTime until);
  [[nodiscard]] bool can_take_over(Side side) const;
  [[nodiscard]] std::optional<Side> live() const;
  [[nodiscard]] std::string roles() const;
  bool serves();
  void note_shown();
  [[nodiscard]] bool lost() const;
  [[nodiscard]] bool winner_is_gone() const;
  [[nodiscard]] bool never_protected() const;
  [[nodiscard]] bool waits_for_ever(Side side) const;
  void wind_up();
  void replay_survivor();
  Outcome outcome();

  Options options_;
  MakeGuest make_guest_;
  EventQueue events_;
  Prng random_;
  Oracle oracle_;
  SimChannel channel_;
  SimArbiter arbiter_;
  SimReceiver receiver_;
  PerSide<std::unique_ptr<SimGuest>> guests_;
  PerSide<std::unique_ptr<SimNode>> nodes_;
  PerSide<Beats> beats_;   // What happens to those that come to a side.
  std::vector<bool> met_;  // Faults that have struck.
  HostTime calm_from_;     // When the last fault so far will be over.
  bool machine_lost_ = false;
  bool planned_end_ = false;
  std::uint64_t shown_ = 0;
  HostTime shown_at_;
  std::int64_t silence_ns_ = 0;
};

}  // namespace ftvm::ftcore::sim
