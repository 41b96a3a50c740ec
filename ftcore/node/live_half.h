// The World of a node that talks to the outside: host inputs as they come, outputs to the gate, the
// guest slowed or stopped as the protocol wants. A recording world sits on top of it and numbers
// what passes.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "emulator/world.h"
#include "ftcore/node/duty_debt.h"
#include "ftcore/node/node_link.h"
#include "replay/recording_world.h"

namespace ftvm::ftcore {

/// Records go to the node and, when there is one, to a journal file. The file comes first: what a
/// peer has seen must be on the way to this node's own disk.
class RecordTee final : public replay::RecordSink {
 public:
  RecordTee(NodeLink& node, replay::RecordSink* file) : node_(node), file_(file) {}
  Status append(const replay::Record& record) override;

 private:
  NodeLink& node_;
  replay::RecordSink* file_;
};

class LiveHalf final : public World {
 public:
  /// Lifetime: all are borrowed. `recording` is the world that decorates this one.
  LiveHalf(World& live, NodeLink& node) : live_(live), node_(node) {}
  void set_recording(replay::RecordingWorld& recording) { recording_ = &recording; }

  Tick horizon(Tick now) override;
  std::vector<Input> take_inputs(Tick now, GuestTime time, InputRoom room) override;
  Tick wait(Tick now, GuestTime time, Tick next_due) override;
  void grid_line(Tick now, std::uint64_t line, StateProbe& probe) override;
  void emit(Output output) override;
  bool should_end(Tick now, EndReason* reason) override;
  void end(Tick now, EndReason reason, const Digest& state) override;

  /// Told of each epoch in which this node goes on alone.
  void on_epoch(std::function<void(Epoch)> tell) { on_epoch_ = std::move(tell); }
  /// Why the node halted or finished, for the user; empty when the run ended otherwise.
  [[nodiscard]] const std::string& note() const { return note_; }

 private:
  using HostClock = std::chrono::steady_clock;
  void obey(Tick now);
  void yield_share();

  World& live_;
  NodeLink& node_;
  replay::RecordingWorld* recording_ = nullptr;
  bool paused_ = true;
  double duty_ = 1;
  DutyDebt debt_;
  std::optional<HostClock::time_point> running_since_;
  std::optional<EndReason> ordered_end_;
  std::function<void(Epoch)> on_epoch_;
  std::optional<Epoch> epoch_;
  std::string note_;
};

}  // namespace ftvm::ftcore
