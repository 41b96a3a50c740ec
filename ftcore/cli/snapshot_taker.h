// A World around a World that takes one snapshot at the right moment and then ends the run. It
// works the same for live runs and replays, because all it looks at is what every World sees.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "emulator/base/result.h"
#include "emulator/forwarding_world.h"

namespace ftvm::cli {

/// When a snapshot is due; both conditions, as far as they are set, must hold.
struct SnapshotMoment {
  /// At the first grid line here or later.
  Tick at{};
  /// The console has printed this, and after that the guest was idle for nearly all of the time
  /// between two grid lines. Empty: no such condition.
  std::string printed;
  /// Stop waiting for `printed` at this guest time.
  GuestTime give_up = GuestTime::never();
};

class SnapshotTaker final : public ForwardingWorld {
 public:
  /// Called once, on the grid line; what it returns is kept.
  using Take = std::function<Status(Tick now)>;
  /// Lifetime: borrows `inner`.
  SnapshotTaker(World& inner, SnapshotMoment moment, Take take)
      : ForwardingWorld(inner), moment_(std::move(moment)), take_(std::move(take)) {}

  std::vector<Input> take_inputs(Tick now, GuestTime time, InputRoom room) override;
  Tick wait(Tick now, GuestTime time, Tick next_due) override;
  void grid_line(Tick now, std::uint64_t line, StateProbe& probe) override;
  void emit(Output output) override;
  bool should_end(Tick now, EndReason* reason) override;

  /// What became of it; nothing when the run ended before the moment came.
  [[nodiscard]] const std::optional<Status>& taken() const { return taken_; }
  [[nodiscard]] bool printed() const { return printed_; }
  [[nodiscard]] bool gave_up() const { return gave_up_; }

 private:
  [[nodiscard]] bool was_idle(Tick now);

  SnapshotMoment moment_;
  Take take_;
  std::optional<Status> taken_;
  std::string tail_;  // Of the console, long enough for a text that comes in two pieces.
  bool printed_ = false;
  bool gave_up_ = false;
  /// Since the last grid line; meaningless while unset (the text was not there yet).
  std::optional<Tick> watching_from_;
  std::uint64_t idle_ticks_ = 0;
};

}  // namespace ftvm::cli
