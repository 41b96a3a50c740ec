#include "ftcore/protocol/journal_buffer.h"

#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "emulator/base/assert.h"

namespace ftvm::ftcore {

std::uint64_t record_cost_bytes(const replay::Record& record) {
  return kRecordOverheadBytes + std::visit(
                                    []<class Body>(const Body& body) -> std::uint64_t {
                                      if constexpr (std::is_same_v<Body, ConsoleBytes> ||
                                                    std::is_same_v<Body, NetFrame> ||
                                                    std::is_same_v<Body, DiskDone>) {
                                        return body.bytes.size();
                                      } else {
                                        return 0;
                                      }
                                    },
                                    record.body);
}

JournalBuffer::JournalBuffer(Options options) : options_(options) {
  FTVM_ASSERT(options.bytes_max >= 2 * kRecordCostMax);
  FTVM_ASSERT(options.flush_bytes > 0);
  FTVM_ASSERT(options.flush_ns >= 0);
}

void JournalBuffer::start(JournalSeq after) {
  records_.clear();
  accepted_ = sent_ = last_ = flush_through_ = after;
  bytes_ = flight_bytes_ = room_bytes_ = 0;
}

void JournalBuffer::append(const replay::Record& record, HostTime now) {
  FTVM_ASSERT(record.seq == last_.next());
  FTVM_ASSERT(records_.empty() || record.at >= records_.back().record.at);
  const std::uint64_t cost_bytes = record_cost_bytes(record);
  FTVM_ASSERT(cost_bytes <= kRecordCostMax);
  records_.push_back({record, cost_bytes, now});
  bytes_ += cost_bytes;
  last_ = record.seq;
}

std::vector<replay::Record> JournalBuffer::take_batch(HostTime now) {
  std::vector<replay::Record> batch;
  if (now < due_at()) return batch;
  std::uint64_t batch_bytes = 0;
  for (std::size_t i = first_unsent(); i < records_.size(); ++i) {
    const Entry& entry = records_[i];
    const bool fits = batch.empty() || batch_bytes + entry.cost_bytes <= options_.flush_bytes;
    if (!fits || batch.size() == kBatchRecordsMax || blocked()) break;
    batch.push_back(entry.record);
    batch_bytes += entry.cost_bytes;
    flight_bytes_ += entry.cost_bytes;
    sent_ = entry.record.seq;
  }
  FTVM_ASSERT(sent_ <= last_);
  FTVM_ASSERT(flight_bytes_ <= room_bytes_);
  return batch;
}

Status JournalBuffer::on_ack(JournalSeq accepted, std::uint64_t room_bytes) {
  const auto number = [](JournalSeq seq) { return std::to_string(seq.value); };
  if (accepted > sent_) {
    return Error(ErrorCode::kBadData, "record " + number(accepted) + " acknowledged, but only " +
                                          number(sent_) + " was sent");
  }
  if (accepted < accepted_) {
    return Error(ErrorCode::kBadData,
                 "record " + number(accepted) + " acknowledged after " + number(accepted_));
  }
  std::uint64_t acked_bytes = 0;
  const std::size_t count = static_cast<std::size_t>(accepted.value - accepted_.value);
  FTVM_ASSERT(count <= records_.size());
  for (std::size_t i = 0; i < count; ++i) acked_bytes += records_[i].cost_bytes;
  FTVM_ASSERT(acked_bytes <= flight_bytes_);
  FTVM_ASSERT(flight_bytes_ <= bytes_);
  if (flight_bytes_ - acked_bytes > room_bytes) {
    return Error(ErrorCode::kBadData, "the peer takes back room it had granted");
  }
  records_.erase(records_.begin(), records_.begin() + static_cast<std::ptrdiff_t>(count));
  accepted_ = accepted;
  bytes_ -= acked_bytes;
  flight_bytes_ -= acked_bytes;
  room_bytes_ = room_bytes;
  FTVM_ASSERT(records_.empty() || records_.front().record.seq == accepted_.next());
  return {};
}

Tick JournalBuffer::grant_limit(Tick progress) const {
  if (!has_unsent()) return progress;
  const Tick oldest = records_[first_unsent()].record.at;
  // Not even to the record's own tick: what the machine does there needs the record.
  return std::min(progress, Tick{oldest.value == 0 ? 0 : oldest.value - 1});
}

bool JournalBuffer::blocked() const {
  if (!has_unsent()) return false;
  FTVM_ASSERT(flight_bytes_ <= room_bytes_);
  return records_[first_unsent()].cost_bytes > room_bytes_ - flight_bytes_;
}

std::size_t JournalBuffer::first_unsent() const {
  const std::size_t index = static_cast<std::size_t>(sent_.value - accepted_.value);
  FTVM_ASSERT(index < records_.size());
  return index;
}

HostTime JournalBuffer::due_at() const {
  if (!has_unsent()) return HostTime::never();
  const HostTime oldest = records_[first_unsent()].at;
  if (sent_ < flush_through_ || bytes_ - flight_bytes_ >= options_.flush_bytes) return oldest;
  return {oldest.ns + options_.flush_ns};
}

}  // namespace ftvm::ftcore
