#include "ftcore/protocol/journal_inbox.h"

#include <string>
#include <variant>

#include "emulator/base/assert.h"

namespace ftvm::ftcore {

JournalInbox::JournalInbox(Options options)
    : options_(options), accepted_(options.after), consumed_(options.after), limit_(options.start) {
  FTVM_ASSERT(options.bytes_max >= kRecordCostMax);
}

Status JournalInbox::accept(std::span<const replay::Record> records) {
  JournalSeq seq = accepted_;
  Tick at = limit_;
  bool ended = ended_;
  std::uint64_t cost_bytes = 0;
  for (const replay::Record& record : records) {
    const auto bad = [&record](const char* what) {
      return Error(ErrorCode::kBadData, "record " + std::to_string(record.seq.value) + ": " + what);
    };
    if (record.seq != seq.next()) {
      return bad("a gap").context("expected " + std::to_string(seq.next().value));
    }
    if (record.at < at) return bad("its tick lies before one already granted");
    if (ended) return bad("behind the end of the run");
    cost_bytes += record_cost_bytes(record);
    if (cost_bytes > room_bytes()) return bad("no room was announced for it");
    seq = record.seq;
    at = record.at;
    ended = std::holds_alternative<replay::End>(record.body);
  }
  for (const replay::Record& record : records) costs_.push_back(record_cost_bytes(record));
  bytes_ += cost_bytes;
  accepted_ = seq;
  limit_ = at;
  ended_ = ended;
  FTVM_ASSERT(bytes_ <= options_.bytes_max);
  FTVM_ASSERT(accepted_.value - consumed_.value == costs_.size());
  return {};
}

void JournalInbox::consume(JournalSeq consumed) {
  FTVM_ASSERT(consumed >= consumed_);
  FTVM_ASSERT(consumed <= accepted_);
  while (consumed_ < consumed) {
    FTVM_ASSERT(bytes_ >= costs_.front());
    bytes_ -= costs_.front();
    costs_.pop_front();
    consumed_ = consumed_.next();
  }
  FTVM_ASSERT(accepted_.value - consumed_.value == costs_.size());
}

bool JournalInbox::grant(Tick tick) {
  if (tick < limit_) return false;
  limit_ = tick;
  return true;
}

}  // namespace ftvm::ftcore
