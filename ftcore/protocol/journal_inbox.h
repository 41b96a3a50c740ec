// The backup's side of the channel's credit: checks that records arrive without a gap and within
// the room that was announced, and counts what the machine has not consumed yet.
//
// The records themselves go to the machine; only their cost and number stay here.
#pragma once

#include <cstdint>
#include <deque>
#include <span>

#include "emulator/base/result.h"
#include "emulator/base/units.h"
#include "ftcore/protocol/journal_buffer.h"
#include "replay/record.h"

namespace ftvm::ftcore {

class JournalInbox {
 public:
  struct Options {
    /// Range: at least kRecordCostMax.
    std::uint64_t bytes_max = std::uint64_t{16} << 20;
    JournalSeq after;  // The first record is the one behind this.
    Tick start;        // Where the machine stands.
  };
  explicit JournalInbox(Options options);

  /// Takes consecutive records. Errors: kBadData, naming the record: a gap, a tick before
  /// limit(), no room, something behind an End. Then none of them was taken.
  Status accept(std::span<const replay::Record> records);
  /// The machine has taken, or been compared with, every record up to `consumed`.
  /// Range: never falls, never beyond accepted().
  void consume(JournalSeq consumed);
  /// The primary granted this tick. Range: bad data is what falls; false then.
  [[nodiscard]] bool grant(Tick tick);

  [[nodiscard]] JournalSeq accepted() const { return accepted_; }
  [[nodiscard]] JournalSeq consumed() const { return consumed_; }
  /// Last tick the machine may reach: the last record's or the last grant.
  [[nodiscard]] Tick limit() const { return limit_; }
  [[nodiscard]] std::uint64_t room_bytes() const { return options_.bytes_max - bytes_; }
  [[nodiscard]] std::uint64_t bytes_max() const { return options_.bytes_max; }

 private:
  Options options_;
  std::deque<std::uint64_t> costs_;  // Of records consumed_ + 1 to accepted_.
  JournalSeq accepted_;
  JournalSeq consumed_;
  Tick limit_;  // Never falls.
  std::uint64_t bytes_ = 0;
  bool ended_ = false;
};

}  // namespace ftvm::ftcore
