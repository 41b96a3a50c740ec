#include "ftcore/protocol/output_gate.h"

#include <algorithm>
#include <utility>

#include "emulator/base/assert.h"
#include "emulator/base/mark.h"

namespace ftvm::ftcore {
namespace {

std::uint64_t cost_bytes(const Output& output) {
  return OutputGate::kOutputOverheadBytes + output.bytes.size();
}

}  // namespace

void OutputGate::hold(JournalSeq mark, Output output) {
  FTVM_ASSERT(mark > last_mark_);
  last_mark_ = mark;
  if (mode_ == GateMode::kDropped) {
    ++counters_.dropped;
    return;
  }
  // The mark may have travelled, and come back acknowledged, before its output got here.
  if (!may_leave(mark)) FTVM_MARK("gate.held");
  counters_.held_bytes += cost_bytes(output);
  counters_.held_bytes_max = std::max(counters_.held_bytes_max, counters_.held_bytes);
  held_.push_back({mark, std::move(output)});
  counters_.held = held_.size();
}

void OutputGate::acknowledge(JournalSeq accepted) {
  FTVM_ASSERT(mode_ == GateMode::kClosed);
  FTVM_ASSERT(accepted >= acknowledged_);
  acknowledged_ = accepted;
}

void OutputGate::set_mode(GateMode mode) {
  FTVM_ASSERT(mode_ != GateMode::kDropped || mode == GateMode::kDropped);
  if (mode == GateMode::kOpen && mode_ != GateMode::kOpen && !held_.empty()) {
    FTVM_MARK("gate.reissued");
  }
  mode_ = mode;
  if (mode != GateMode::kDropped) return;
  while (!held_.empty()) {
    pop_oldest();
    ++counters_.dropped;
  }
}

std::vector<Output> OutputGate::take_releasable() {
  std::vector<Output> outputs;
  while (!held_.empty() && may_leave(held_.front().mark)) {
    // The other side of the boundary: what is about to leave is acknowledged, or nobody must.
    FTVM_ASSERT(mode_ == GateMode::kOpen || mode_ == GateMode::kClosed);
    FTVM_ASSERT(mode_ == GateMode::kOpen || held_.front().mark <= acknowledged_);
    outputs.push_back(pop_oldest());
    ++counters_.released;
  }
  FTVM_ASSERT(mode_ != GateMode::kOpen || held_.empty());
  return outputs;
}

void OutputGate::forget(JournalSeq mark) {
  FTVM_ASSERT(mode_ == GateMode::kShut || held_.empty());
  while (!held_.empty() && held_.front().mark <= mark) {
    pop_oldest();
    ++counters_.forgotten;
  }
}

void OutputGate::forget_beyond(std::uint64_t bytes) {
  FTVM_ASSERT(mode_ == GateMode::kShut);
  while (counters_.held_bytes > bytes) {
    FTVM_MARK("gate.overflow");
    pop_oldest();
    ++counters_.forgotten;
  }
}

bool OutputGate::may_leave(JournalSeq mark) const {
  switch (mode_) {
    case GateMode::kOpen:
      return true;
    case GateMode::kClosed:
      return mark <= acknowledged_;
    case GateMode::kShut:
    case GateMode::kDropped:
      break;
  }
  return false;
}

Output OutputGate::pop_oldest() {
  FTVM_ASSERT(!held_.empty());
  Output output = std::move(held_.front().output);
  held_.pop_front();
  FTVM_ASSERT(counters_.held_bytes >= cost_bytes(output));
  counters_.held_bytes -= cost_bytes(output);
  counters_.held = held_.size();
  FTVM_ASSERT(!held_.empty() || counters_.held_bytes == 0);
  return output;
}

}  // namespace ftvm::ftcore
