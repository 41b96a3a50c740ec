#include "replay/journal_reader.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "replay/header_codec.h"

namespace ftvm::replay {
namespace {

/// Types that belong into a journal but that this version need not understand.
bool may_skip(FrameType type) {
  return type == FrameType::kCheckpoint;
}

}  // namespace

std::string JournalTail::text() const {
  const std::string place = "after record " + std::to_string(last_seq.value) + " at tick " +
                            std::to_string(last_tick.value);
  switch (kind) {
    case TailKind::kUnread:
      return "not read to its end";
    case TailKind::kComplete:
      return "complete";
    case TailKind::kTorn:
      return "torn at byte " + std::to_string(offset) + ", " + place;
    case TailKind::kUnended:
      return "no end frame at byte " + std::to_string(offset) + ", " + place;
  }
  return "unknown";
}

Result<std::unique_ptr<JournalReader>> JournalReader::open(const std::string& path) {
  ScopedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return Error(ErrorCode::kNotFound, path + ": no such journal");
  if (!fd) return error_from_errno("open " + path);
  std::unique_ptr<JournalReader> reader(new JournalReader(path, std::move(fd)));
  Status header = reader->read_header();
  if (!header) return std::move(header.error().context(path));
  return reader;
}

Status JournalReader::read_header() {
  const FrameStep step = FTVM_TRY(frames_.next());
  if (step.verdict != FrameVerdict::kFrame) {
    return Error(ErrorCode::kTornTail, "the file ends before its header does");
  }
  if (step.frame.type != FrameType::kJournalHeader) {
    return Error(ErrorCode::kBadData, "not a journal: it starts with a frame of type " +
                                          std::to_string(static_cast<int>(step.frame.type)));
  }
  if (step.frame.flags != 0) return Error(ErrorCode::kBadData, "the header has flags");
  Result<JournalHeader> header = decode_header(step.frame.payload);
  if (!header) return std::move(header.error().context("header"));
  header_ = *std::move(header);
  tail_.offset = step.size_bytes;
  tail_.last_seq = header_.start_seq;
  tail_.last_tick = header_.start;
  return {};
}

Status JournalReader::take_batch(const Frame& frame) {
  if (end_state_) return Error(ErrorCode::kBadData, "records after the end of the run");
  Bytes storage;
  const ByteView payload = FTVM_TRY(plain_payload(frame, &storage));
  batch_ = FTVM_TRY(decode_records(payload));
  batch_at_ = 0;
  const Record& first = batch_.front();
  const JournalSeq seq_before = tail_.last_seq;
  const Tick tick_before = tail_.last_tick;
  Status status;
  if (first.seq != seq_before.next()) {
    status = Error(ErrorCode::kBadData, "record " + std::to_string(first.seq.value) + " follows " +
                                            std::to_string(seq_before.value));
  } else if (first.at < tick_before) {
    status = Error(ErrorCode::kBadData, "tick " + std::to_string(first.at.value) + " follows " +
                                            std::to_string(tick_before.value));
  }
  if (!status) {
    batch_.clear();
    return status;
  }
  tail_.last_seq = batch_.back().seq;
  tail_.last_tick = batch_.back().at;
  record_count_ += batch_.size();
  if (const auto* end = std::get_if<End>(&batch_.back().body)) end_state_ = end->state;
  return {};
}

Status JournalReader::take_end(const Frame& frame) {
  if (frame.flags != 0) return Error(ErrorCode::kBadData, "the end frame has flags");
  const JournalEnd end = FTVM_TRY(decode_end(frame.payload));
  if (!end_state_) return Error(ErrorCode::kBadData, "an end frame, but no End record before it");
  const JournalEnd seen{record_count_, tail_.last_seq, tail_.last_tick, *end_state_};
  if (end == seen) return {};
  return Error(ErrorCode::kBadData, "the end frame counts " + std::to_string(end.record_count) +
                                        " records up to " + std::to_string(end.last_seq.value) +
                                        ", the journal has " + std::to_string(record_count_) +
                                        " up to " + std::to_string(tail_.last_seq.value));
}

// Reads frames until there is a record or the end.
Status JournalReader::read_batch() {
  bool ended = false;
  for (;;) {
    const FrameStep step = FTVM_TRY(frames_.next());
    if (step.verdict == FrameVerdict::kFrame) {
      Status taken;
      if (ended) {
        taken = Error(ErrorCode::kBadData, "something follows the end frame");
      } else if (step.frame.type == FrameType::kRecords) {
        taken = take_batch(step.frame);
      } else if (step.frame.type == FrameType::kJournalEnd) {
        taken = take_end(step.frame);
        ended = true;
      } else if (!may_skip(step.frame.type)) {
        taken = Error(ErrorCode::kBadData, "a frame of type " +
                                               std::to_string(static_cast<int>(step.frame.type)) +
                                               " has no place in a journal");
      }
      if (!taken) return at_offset(taken.error(), step.offset);
      tail_.offset = step.offset + step.size_bytes;
      if (!batch_.empty()) return {};
      continue;
    }
    at_end_ = true;
    const bool torn = step.verdict == FrameVerdict::kTorn;
    if (torn && ended) {
      return at_offset(Error(ErrorCode::kBadData, "something follows the end frame"), step.offset);
    }
    tail_.kind = torn ? TailKind::kTorn : ended ? TailKind::kComplete : TailKind::kUnended;
    return {};
  }
}

Result<std::optional<Record>> JournalReader::next() {
  if (batch_at_ == batch_.size() && !at_end_ && !failed_) {
    batch_.clear();
    batch_at_ = 0;
    Status status = read_batch();
    if (!status) failed_ = std::move(status.error().context(path_));
  }
  if (batch_at_ == batch_.size() && failed_) return *failed_;
  std::optional<Record> record;
  if (batch_at_ < batch_.size()) record.emplace(std::move(batch_[batch_at_++]));
  return record;
}

}  // namespace ftvm::replay
