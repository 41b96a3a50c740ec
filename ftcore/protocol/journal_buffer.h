// The primary's side of the channel's credit: records that the backup has not acknowledged, what of
// them may be sent now, and when. The receiving side is journal_inbox.h; both charge a record
// record_cost_bytes().
//
// It is not the journal: a file is written elsewhere, and nothing is sent twice from here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "emulator/base/result.h"
#include "emulator/base/units.h"
#include "ftcore/protocol/message.h"
#include "replay/record.h"
#include "replay/record_check.h"

namespace ftvm::ftcore {

/// Charged for each record besides the bytes it carries. Units: bytes.
inline constexpr std::uint64_t kRecordOverheadBytes = 128;
static_assert(kRecordOverheadBytes >= sizeof(replay::Record));

/// What a record costs in either buffer. Part of the protocol: both sides must agree on it.
std::uint64_t record_cost_bytes(const replay::Record& record);

/// The most expensive record there is; no buffer may be smaller.
inline constexpr std::uint64_t kRecordCostMax = kRecordOverheadBytes + replay::kDiskDoneBytesMax;

class JournalBuffer {
 public:
  struct Options {
    /// A primary with this much unacknowledged must pause. Range: at least 2 * kRecordCostMax.
    std::uint64_t bytes_max = std::uint64_t{16} << 20;
    /// Sent at once when this much is unsent, or when the oldest of it is this old.
    std::uint64_t flush_bytes = std::uint64_t{64} << 10;
    std::int64_t flush_ns = 20 * kNsPerMs;
  };
  /// A message carries no more records than this, nor (but for a single record) more bytes than
  /// flush_bytes.
  static constexpr std::size_t kBatchRecordsMax = 1024;

  explicit JournalBuffer(Options options);

  /// A new session: the next record is `after`.next(), and the backup's room is not known yet.
  void start(JournalSeq after);

  /// Range: consecutive. Accepts beyond full(), because the record exists: the owner pauses the
  /// machine, whose last slice is all that can still come.
  void append(const replay::Record& record, HostTime now);
  /// An output waits for what was appended so far: send it as soon as credit allows.
  void want_flush() { flush_through_ = last_; }
  /// The next message's records; empty when nothing is due, or when the backup has no room.
  std::vector<replay::Record> take_batch(HostTime now);

  /// When take_batch() will have something, if there is room; never() when all was sent.
  [[nodiscard]] HostTime due_at() const;

  /// Errors: kBadData for an acknowledgement of what was never sent, or one that takes back an
  /// earlier one; nothing has changed then.
  Status on_ack(JournalSeq accepted, std::uint64_t room_bytes);

  /// How far the backup may run when the machine stands at `progress`: everything recorded up to
  /// that tick was sent, with numbers up to sent(). The grant says so: behind a lost record it is
  /// refused.
  [[nodiscard]] Tick grant_limit(Tick progress) const;

  [[nodiscard]] bool full() const { return bytes_ >= options_.bytes_max; }
  /// The next record does not fit into the backup's room.
  [[nodiscard]] bool blocked() const;
  /// Everything appended was acknowledged.
  [[nodiscard]] bool empty() const { return records_.empty(); }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] JournalSeq sent() const { return sent_; }
  [[nodiscard]] JournalSeq accepted() const { return accepted_; }

 private:
  struct Entry {
    replay::Record record;
    std::uint64_t cost_bytes;
    HostTime at;
  };
  [[nodiscard]] bool has_unsent() const { return sent_ < last_; }
  [[nodiscard]] std::size_t first_unsent() const;

  Options options_;
  std::deque<Entry> records_;  // Numbers accepted_ + 1 to last_.
  JournalSeq accepted_;        // accepted_ <= sent_ <= last_.
  JournalSeq sent_;
  JournalSeq last_;
  JournalSeq flush_through_;
  std::uint64_t bytes_ = 0;         // Of records_.
  std::uint64_t flight_bytes_ = 0;  // Of those sent.
  std::uint64_t room_bytes_ = 0;    // Backup's, when it had exactly what is accepted_.
};

}  // namespace ftvm::ftcore
