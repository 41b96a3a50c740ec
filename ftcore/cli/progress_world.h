// A World around a World that says on a terminal how far a long run has come.
#pragma once

#include <chrono>
#include <optional>

#include "emulator/forwarding_world.h"

namespace ftvm::cli {

class ProgressWorld final : public ForwardingWorld {
 public:
  /// `verb` is what is done: "replayed". Lifetime: borrows both. Says nothing unless standard error
  /// is a terminal, nor when `quiet`: something else is shown there.
  ProgressWorld(World& inner, const char* verb, bool quiet = false);

  bool should_end(Tick now, EndReason* reason) override;
  void end(Tick now, EndReason reason, const Digest& state) override;

 private:
  using Clock = std::chrono::steady_clock;

  const char* verb_;
  const bool shown_;
  bool line_open_ = false;
  Clock::time_point said_at_ = Clock::now();
  std::optional<Tick> said_tick_;
};

}  // namespace ftvm::cli
