#include "replay/replaying_world.h"

#include <iterator>
#include <utility>

namespace ftvm::replay {

ReplayingWorld::ReplayingWorld(RecordSource& source, Options options)
    : source_(source),
      cursor_({.last_seq = options.last_seq,
               .start = options.start,
               .digest_every_lines = options.digest_every_lines}),
      on_output_(std::move(options.on_output)),
      on_divergence_(std::move(options.on_divergence)) {}

void ReplayingWorld::notice_divergence() {
  if (cursor_.divergence() && on_divergence_) std::exchange(on_divergence_, nullptr)();
}

/// Fills the cursor. It is called before every question to the cursor, so whenever the machine is
/// at a tick, either all records of that tick are in the cursor or the cursor is full of them.
void ReplayingWorld::pull() {
  while (!exhausted_ && !cursor_.full()) {
    Result<std::optional<Record>> record = source_.next();
    if (record && record->has_value()) {
      source_status_ = cursor_.push(std::move(**record));
      exhausted_ = !source_status_;
    } else {
      if (!record) source_status_ = record.error();
      exhausted_ = true;
    }
  }
  if (exhausted_) cursor_.close();
}

Tick ReplayingWorld::horizon(Tick now) {
  pull();
  return cursor_.horizon(now);
}

std::vector<Input> ReplayingWorld::take_inputs(Tick now, GuestTime, InputRoom) {
  std::vector<Input> inputs;
  for (;;) {
    pull();
    std::vector<Input> some = cursor_.take_inputs(now);
    notice_divergence();
    if (some.empty()) return inputs;
    inputs.insert(inputs.end(), std::make_move_iterator(some.begin()),
                  std::make_move_iterator(some.end()));
  }
}

Tick ReplayingWorld::wait(Tick now, GuestTime, Tick next_due) {
  pull();
  return cursor_.wait_until(now, next_due);
}

void ReplayingWorld::grid_line(Tick now, std::uint64_t line, StateProbe& probe) {
  pull();
  cursor_.on_grid_line(now, line, probe);
  notice_divergence();
}

void ReplayingWorld::emit(Output output) {
  pull();
  const ReplayCursor::Verdict verdict = cursor_.on_output(output);
  notice_divergence();
  if (verdict == ReplayCursor::Verdict::kSame && on_output_) on_output_(output);
}

bool ReplayingWorld::should_end(Tick now, EndReason* reason) {
  pull();
  const bool ends = cursor_.should_end(now, reason);
  notice_divergence();
  return ends;
}

void ReplayingWorld::end(Tick now, EndReason reason, const Digest& state) {
  pull();
  cursor_.on_end(now, reason, state);
  notice_divergence();
}

}  // namespace ftvm::replay
