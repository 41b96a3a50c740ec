// The client of a simulated machine: takes console bytes from whoever is live, later than they were
// released, confirms what it has, and drops what comes from an older epoch than it has met.
// It outlives both nodes; what had not left a node that died never comes.
//
// Source: ftcore/README.md, "Confirmed, not merely sent" in docs/architecture.md.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>

#include "emulator/base/bytes.h"
#include "emulator/base/mark.h"
#include "emulator/base/prng.h"
#include "ftcore/sim/event_queue.h"
#include "ftcore/sim/oracle.h"
#include "ftcore/sim/side.h"
#include "ftcore/sim/sim_process.h"

namespace ftvm::ftcore::sim {

class SimReceiver {
 public:
  struct Options {
    std::int64_t leave_ns_max = 1 * kNsPerMs;
    std::int64_t latency_ns = 1 * kNsPerMs;
  };
  struct Sender {
    SimProcess* process = nullptr;
    /// Console bytes before this offset have arrived.
    std::function<void(std::uint64_t)> on_confirmed;
  };

  SimReceiver(EventQueue& events, Prng random, Options options, Oracle& oracle)
      : events_(events), random_(random), options_(options), oracle_(oracle) {}
  void attach(Side side, Sender sender) { senders_[side] = std::move(sender); }

  void released(Side from, Epoch epoch, std::uint64_t offset, Bytes bytes) {
    // In order: each leaves no sooner than the one before it. From a process that is stopped, when
    // it goes on: that is the late output which only the receiver can fence off.
    const auto stay = static_cast<std::int64_t>(
        random_.below(static_cast<std::uint64_t>(options_.leave_ns_max) + 1));
    HostTime& leaves = leaves_[from];
    leaves = std::max(leaves, events_.in(stay));
    events_.at(leaves, [this, from, epoch, offset, bytes = std::move(bytes)] {
      senders_[from].process->tell([this, from, epoch, offset, bytes] {
        events_.after(options_.latency_ns,
                      [this, from, epoch, offset, bytes] { arrive(from, epoch, offset, bytes); });
      });
    });
  }
  /// Of those that were dropped for their epoch. Units: outputs.
  [[nodiscard]] std::uint64_t fenced() const { return fenced_; }

 private:
  void arrive(Side from, Epoch epoch, std::uint64_t offset, const Bytes& bytes) {
    if (epoch < epoch_) {
      FTVM_MARK("sim.output_fenced");
      ++fenced_;
      return;
    }
    epoch_ = std::max(epoch_, epoch);
    oracle_.arrived(from, offset, bytes);
    events_.after(options_.latency_ns,
                  [this, from, has = oracle_.shown()] { senders_[from].on_confirmed(has); });
  }

  EventQueue& events_;
  Prng random_;
  Options options_;
  Oracle& oracle_;
  PerSide<Sender> senders_;
  PerSide<HostTime> leaves_;
  Epoch epoch_;
  std::uint64_t fenced_ = 0;
};

}  // namespace ftvm::ftcore::sim
