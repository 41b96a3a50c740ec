#include "ftcore/cli/snapshot_taker.h"

#include <algorithm>
#include <utility>

namespace ftvm::cli {
namespace {

/// An idle guest runs at most one tick in so many: timer interrupts, a blinking cursor.
constexpr std::uint64_t kIdleShare = 8;

}  // namespace

std::vector<Input> SnapshotTaker::take_inputs(Tick now, GuestTime time, InputRoom room) {
  const bool waits = !moment_.printed.empty() && !taken_;
  if (waits && time >= moment_.give_up) gave_up_ = true;
  return ForwardingWorld::take_inputs(now, time, room);
}

Tick SnapshotTaker::wait(Tick now, GuestTime time, Tick next_due) {
  const Tick until = ForwardingWorld::wait(now, time, next_due);
  idle_ticks_ += until.value - now.value;
  return until;
}

/// True at the second of two grid lines between which the guest did next to nothing.
bool SnapshotTaker::was_idle(Tick now) {
  const std::optional<Tick> from = std::exchange(watching_from_, now);
  const std::uint64_t idle = std::exchange(idle_ticks_, 0);
  if (!from) return false;
  const std::uint64_t passed = now.value - from->value;
  const std::uint64_t busy = passed - std::min(idle, passed);
  return busy * kIdleShare <= passed;
}

void SnapshotTaker::grid_line(Tick now, std::uint64_t line, StateProbe& probe) {
  // First the one inside: its digest of this line belongs before the snapshot.
  ForwardingWorld::grid_line(now, line, probe);
  if (taken_) return;
  if (!moment_.printed.empty() && (!printed_ || !was_idle(now))) return;
  if (now >= moment_.at) taken_ = take_(now);
}

void SnapshotTaker::emit(Output output) {
  if (output.endpoint == Endpoint::kConsole && !printed_ && !moment_.printed.empty()) {
    tail_.append(output.bytes.begin(), output.bytes.end());
    printed_ = tail_.find(moment_.printed) != std::string::npos;
    const std::size_t kept = moment_.printed.size() - 1;
    if (tail_.size() > kept) tail_.erase(0, tail_.size() - kept);
  }
  ForwardingWorld::emit(std::move(output));
}

bool SnapshotTaker::should_end(Tick now, EndReason* reason) {
  // kStopped says nothing about the machine, so a replay inside does not compare its end.
  *reason = EndReason::kStopped;
  return taken_ || gave_up_ || ForwardingWorld::should_end(now, reason);
}

}  // namespace ftvm::cli
