#include "ftcore/node/live_half.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "emulator/base/assert.h"

namespace ftvm::ftcore {

Status RecordTee::append(const replay::Record& record) {
  if (file_ != nullptr) FTVM_TRY(file_->append(record));
  node_.on_record(record);
  return {};
}

void LiveHalf::obey(Tick now) {
  Orders orders = node_.take_orders();
  paused_ = orders.paused;
  duty_ = orders.duty;
  for (replay::RecordBody& body : orders.journal) {
    // A refused record is remembered by the recording world and ends the run.
    (void)recording_->append_mark(now, std::move(body));
  }
  if (orders.live && orders.live != epoch_) {
    epoch_ = orders.live;
    if (on_epoch_) on_epoch_(*epoch_);
  }
  if (orders.halted) {
    ordered_end_ = EndReason::kHalted;
    note_ = *orders.halted;
  } else if (orders.finished && !ordered_end_) {
    ordered_end_ = orders.finished->reason;
    note_ = orders.finished->note;
  }
}

Tick LiveHalf::horizon(Tick now) {
  if (paused_) return now;
  yield_share();
  return live_.horizon(now);
}

void LiveHalf::yield_share() {
  if (duty_ < 1 && running_since_) {
    const auto from = HostClock::now();
    const DutyDebt::Duration sleep = debt_.ran(from - *running_since_, duty_);
    if (sleep > DutyDebt::Duration::zero()) {
      std::this_thread::sleep_for(sleep);
      debt_.slept(HostClock::now() - from);
    }
  }
  running_since_ = HostClock::now();
}

std::vector<Input> LiveHalf::take_inputs(Tick now, GuestTime time, InputRoom room) {
  if (paused_) return {};
  return live_.take_inputs(now, time, room);
}

Tick LiveHalf::wait(Tick now, GuestTime time, Tick next_due) {
  if (paused_) {
    running_since_.reset();
    node_.wait_for_orders();
    return now;
  }
  node_.set_idle(true);
  const Tick until = live_.wait(now, time, next_due);
  node_.set_idle(false);
  debt_.forgive();
  running_since_.reset();
  return until;
}

void LiveHalf::grid_line(Tick now, std::uint64_t line, StateProbe& probe) {
  live_.grid_line(now, line, probe);
}

void LiveHalf::emit(Output output) {
  live_.emit(output);  // Counts the console stream; the live world itself releases nothing.
  node_.on_output(recording_->last_seq(), output);
}

bool LiveHalf::should_end(Tick now, EndReason* reason) {
  obey(now);
  node_.on_progress(now);
  if (ordered_end_) {
    *reason = *ordered_end_;
    return true;
  }
  return live_.should_end(now, reason);
}

void LiveHalf::end(Tick now, EndReason reason, const Digest& state) {
  live_.end(now, reason, state);
  node_.on_end(reason);
}

}  // namespace ftvm::ftcore
