#include "ftcore/node/backup_world.h"

#include <algorithm>
#include <utility>

#include "emulator/base/assert.h"
#include "emulator/base/diag.h"
#include "ftcore/protocol/planned_end.h"

namespace ftvm::ftcore {

BackupWorld::BackupWorld(Options options, devices::host::Outside& live, NodeLink& node)
    : options_(std::move(options)),
      live_(live),
      node_(node),
      cursor_({.last_seq = options_.start_seq,
               .start = options_.start,
               .digest_every_lines = options_.digest_every_lines,
               .on_output_met = [this](JournalSeq mark) { met(mark); }}),
      waiting_grant_(options_.start),
      half_(live, node) {}

std::optional<std::int64_t> BackupWorld::wait_for_boot_time() {
  node_.set_idle(true);
  while (!orders_.boot_unix_s && !orders_.halted && !orders_.finished && !live_.stop_requested()) {
    node_.wait_for_orders();
    absorb();
  }
  node_.set_idle(false);
  return orders_.boot_unix_s;
}

// --- following

void BackupWorld::absorb() {
  Orders fresh = node_.take_orders();
  for (replay::Record& record : fresh.records) waiting_.push_back(std::move(record));
  if (fresh.grant) waiting_grant_ = std::max(waiting_grant_, *fresh.grant);
  fresh.records.clear();
  std::vector<replay::RecordBody> journal = std::move(orders_.journal);
  journal.insert(journal.end(), fresh.journal.begin(), fresh.journal.end());
  orders_ = std::move(fresh);
  orders_.journal = std::move(journal);
}

void BackupWorld::pull() {
  absorb();
  while (!waiting_.empty() && !cursor_.full()) {
    keep(waiting_.front());
    const Status pushed = cursor_.push(std::move(waiting_.front()));
    FTVM_ASSERT(pushed.has_value());  // The session let no gap through.
    waiting_.pop_front();
  }
  if (!waiting_.empty()) return;
  cursor_.grant(waiting_grant_);
  if (orders_.draining && !std::exchange(closed_, true)) cursor_.close();
}

void BackupWorld::keep(const replay::Record& record) {
  if (file_ == nullptr) return;
  replay::Record own = record;
  if (const auto* end = std::get_if<replay::End>(&own.body)) {
    // Where the primary's journal ends because it hands over, this node's goes on.
    if (end_plan(end->reason) == EndPlan::kHandOver) own.body = replay::Alone{};
  }
  if (const Status kept = file_->append(own); !kept) {
    // Its own copy of the journal is a convenience of the user; the protection goes on.
    FTVM_DIAG(kWarn, "journal.lost").kv("why", kept.error().message());
    journal_lost_ = kept.error();
    file_ = nullptr;
  }
}

void BackupWorld::met(JournalSeq mark) {
  FTVM_ASSERT(!unmet_.empty());
  const Output output = std::move(unmet_.front());
  unmet_.pop_front();
  if (output.endpoint == Endpoint::kConsole) {
    options_.on_console(options_.console_output, output.bytes);
    options_.console_output += output.bytes.size();
  }
  node_.on_output(mark, output);
}

Tick BackupWorld::horizon(Tick now) {
  if (recording_) return recording_->horizon(now);
  // Slices, so that the primary hears how far we are.
  return std::min(cursor_.horizon(now), now.plus(options_.slice_ticks));
}

std::vector<Input> BackupWorld::take_inputs(Tick now, GuestTime time, InputRoom room) {
  if (recording_) return recording_->take_inputs(now, time, room);
  pull();
  std::vector<Input> inputs = cursor_.take_inputs(now);
  for (const Input& input : inputs) {
    if (const auto* typed = std::get_if<ConsoleBytes>(&input.body)) {
      options_.console_input = typed->offset + typed->bytes.size();
    } else if (const auto* sync = std::get_if<ClockSync>(&input.body)) {
      live_.observe_clock(sync->base);
    }
  }
  return inputs;
}

Tick BackupWorld::wait(Tick now, GuestTime time, Tick next_due) {
  if (recording_) return recording_->wait(now, time, next_due);
  // A machine that is not halted only waits for a grant; `next_due` is never then.
  const Tick until = next_due == Tick::never() ? now : cursor_.wait_until(now, next_due);
  if (until > now) return std::min(until, now.plus(options_.slice_ticks));
  if (next_due != Tick::never() || cursor_.horizon(now) == now) {
    node_.set_idle(true);
    node_.wait_for_orders();
    node_.set_idle(false);
    return now;
  }
  return cursor_.wait_until(now, next_due);
}

void BackupWorld::grid_line(Tick now, std::uint64_t line, StateProbe& probe) {
  if (recording_) return recording_->grid_line(now, line, probe);
  cursor_.on_grid_line(now, line, probe);
}

void BackupWorld::emit(Output output) {
  if (recording_) return recording_->emit(std::move(output));
  unmet_.push_back(output);
  (void)cursor_.on_output(output);  // A difference shows in should_end().
}

// --- ends and the way to live

bool BackupWorld::end_with(EndReason reason, std::string note, EndReason* out) {
  *out = reason;
  note_ = std::move(note);
  return true;
}

bool BackupWorld::should_end(Tick now, EndReason* reason) {
  if (recording_) return recording_->should_end(now, reason);
  node_.on_executed(now, cursor_.done_seq());
  if (live_.stop_requested()) {
    EndReason asked = EndReason::kStopped;
    live_.should_end(now, &asked);
    node_.on_leave();
    return end_with(asked, "left the pair", reason);
  }
  return follow_end(now, reason);
}

bool BackupWorld::follow_end(Tick now, EndReason* reason) {
  EndReason ended = EndReason::kJournalEnd;
  const bool at_end = cursor_.should_end(now, &ended);
  if (cursor_.divergence()) {
    node_.on_diverged(cursor_.divergence()->text());
    return end_with(EndReason::kDiverged, cursor_.divergence()->text() + options_.place_text(),
                    reason);
  }
  if (at_end && closed_ && !std::exchange(drained_, true)) node_.on_drained();
  absorb();
  if (orders_.halted) return end_with(EndReason::kHalted, *orders_.halted, reason);
  if (orders_.finished) return end_with(orders_.finished->reason, orders_.finished->note, reason);
  if (!drained_ || !orders_.live) return false;
  if (run_over()) {
    go_live_to_end(*orders_.live);
    return false;  // The node is about to say so.
  }
  go_live(now, *orders_.live);
  return recording_->should_end(now, reason);
}

void BackupWorld::finish(Tick now, EndReason reason, const Digest& state) {
  while (!finished(now, reason, state)) node_.wait_for_orders();
}

bool BackupWorld::finished(Tick now, EndReason reason, const Digest& state) {
  const bool own_decision = reason == EndReason::kStopped || reason == EndReason::kDiverged;
  if (!recording_ && own_decision) return true;
  pull();
  if (closed_ && !std::exchange(drained_, true)) node_.on_drained();
  if (orders_.halted) note_ = *orders_.halted;
  if (orders_.finished) note_ = orders_.finished->note;
  // Behind the last output: the console must not be told of the end before it has that.
  if (orders_.halted || orders_.finished) return true;
  if (!recording_ && live_.stop_requested()) return true;
  if (!recording_ && drained_ && orders_.live) {
    if (run_over()) {
      go_live_to_end(*orders_.live);
    } else {
      go_live(now, *orders_.live);
      recording_->end(now, reason, state);
    }
  }
  return false;
}

/// How the journal ends, unless it ends for this node to go on.
std::optional<EndReason> BackupWorld::run_over() const {
  const std::optional<EndReason> end = cursor_.journal_end();
  return end && end_plan(*end) == EndPlan::kBothEnd ? end : std::nullopt;
}

/// The run is over and its journal complete; all that is left to be live for is what the primary
/// may not have let out.
void BackupWorld::go_live_to_end(Epoch epoch) {
  if (std::exchange(end_told_, true)) return;
  options_.on_live(epoch, options_.console_input);
  node_.on_end(*run_over());
}

void BackupWorld::go_live(Tick now, Epoch epoch) {
  live_.set_console_offsets(options_.console_input, options_.console_output);
  tee_.emplace(node_, file_);
  recording_ = std::make_unique<replay::RecordingWorld>(
      half_, *tee_,
      replay::RecordingWorld::Options{.last_seq = cursor_.last_seq(),
                                      .digest_every_lines = options_.digest_every_lines});
  half_.set_recording(*recording_);
  FTVM_DIAG(kInfo, "backup.live")
      .kv("epoch", epoch.value)
      .kv("tick", now.value)
      .kv("seq", cursor_.last_seq().value);
  // What the machine did at its last granted tick, beyond what arrived, is now part of its own
  // journal; the outside has not seen it.
  for (replay::Record& own : cursor_.take_unmet()) {
    if (std::holds_alternative<replay::OutputMark>(own.body)) {
      FTVM_ASSERT(!unmet_.empty());
      Output output = std::move(unmet_.front());
      unmet_.pop_front();
      recording_->emit(std::move(output));
    } else {
      (void)recording_->append_mark(now, own.body);
    }
  }
  FTVM_ASSERT(unmet_.empty());
  for (const replay::RecordBody& body : orders_.journal) (void)recording_->append_mark(now, body);
  options_.on_live(epoch, options_.console_input);
}

void BackupWorld::end(Tick now, EndReason reason, const Digest& state) {
  if (recording_) return recording_->end(now, reason, state);
  cursor_.on_end(now, reason, state);
  if (cursor_.divergence() && reason != EndReason::kDiverged) {
    node_.on_diverged(cursor_.divergence()->text());
  }
  node_.on_executed(now, cursor_.done_seq());
}

}  // namespace ftvm::ftcore
