#include "ftcore/node/output_receipts.h"

#include <limits>

#include "emulator/base/assert.h"

namespace ftvm::ftcore {
namespace {

constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

}  // namespace

void OutputReceipts::emitted(JournalSeq mark, const Output& output) {
  FTVM_ASSERT(mark > confirmed_);
  FTVM_ASSERT(pending_.empty() || mark > pending_.back().mark);
  if (console_end_ != kNever && output.endpoint == Endpoint::kConsole) {
    console_end_ += output.bytes.size();
  } else if (output.endpoint != Endpoint::kDebug) {
    console_end_ = kNever;
  }
  pending_.push_back({mark, console_end_});
  if (pending_.size() > kPendingMax) pending_.pop_front();
}

JournalSeq OutputReceipts::confirmed(std::uint64_t console_offset) {
  while (!pending_.empty() && pending_.front().console_end <= console_offset) {
    confirmed_ = pending_.front().mark;
    pending_.pop_front();
  }
  return confirmed_;
}

}  // namespace ftvm::ftcore
