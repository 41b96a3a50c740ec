// The place where a journal and a machine that follows it meet. Records come in on one side, as
// early or as late as they like; the machine's stops, outputs, digests and end come in on the
// other. The cursor hands out inputs at their ticks, says how far the machine may run, compares
// everything that can be compared, and keeps the first difference.
//
// Marks are compared in the order in which they were made, which is the same on both sides whatever
// the slicing (see emulator/machine.h). Inputs are another sequence: a batch of inputs at one tick
// is journalled before the outputs that the first of them causes.
//
// Both orders of arrival happen. A replayed file is always ahead of the machine. A backup that was
// granted tick T may reach T, and make outputs there, before the primary's records of T arrive;
// they are kept until the journal has gone past T. What may be kept at all is bounded, because all
// records before a granted tick have arrived before the grant.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "emulator/base/assert.h"
#include "emulator/base/result.h"
#include "emulator/world.h"
#include "replay/divergence.h"
#include "replay/record.h"

namespace ftvm::replay {

/// What may wait for the machine: so many records, and so many bytes in them (a record that is the
/// first over the limit is still taken).
inline constexpr std::size_t kCursorRecordsMax = 4096;
inline constexpr std::size_t kCursorBytesMax = std::size_t{16} << 20;
/// Marks of the machine that wait for the journal. All are of the granted tick, where a guest
/// makes a handful.
inline constexpr std::size_t kCursorOwnMarksMax = 4096;

class ReplayCursor {
 public:
  struct Options {
    JournalSeq last_seq{};  // Of the record before the first that will be pushed.
    Tick start{};           // Where the machine stands.
    std::uint32_t digest_every_lines = 0;
    std::size_t records_max = kCursorRecordsMax;
    std::size_t bytes_max = kCursorBytesMax;
    /// Told of each output mark that the machine met, in order.
    std::function<void(JournalSeq)> on_output_met{};
  };
  explicit ReplayCursor(Options options)
      : options_(std::move(options)),
        last_seq_(options_.last_seq),
        last_at_(options_.start),
        granted_(options_.start),
        position_(options_.start) {}

  // The journal's side.

  /// No more records can be taken now; the machine must go on first.
  [[nodiscard]] bool full() const {
    return inputs_.size() + marks_.size() >= options_.records_max ||
           input_bytes_ >= options_.bytes_max;
  }
  /// Precondition: not full. Also grants the record's tick. Errors: kBadData for a gap in the
  /// numbers, a tick before the last one, or a record after End or close(); nothing changes then.
  Status push(Record record);
  /// All records before `upto` have been pushed: the machine may reach it. Never takes back.
  /// Range: a tick at which the recording machine stopped. (An idle machine meets grid lines only
  /// where it stops; at any other tick this one would take digests that the journal has not.)
  void grant(Tick upto);
  /// Nothing more will come. Without an End, the run ends at the last record or grant.
  void close() { closed_ = true; }

  [[nodiscard]] JournalSeq last_seq() const { return last_seq_; }  // Pushed.
  [[nodiscard]] Tick last_at() const { return last_at_; }          // Of the last record pushed.
  [[nodiscard]] Tick granted() const { return granted_; }
  /// How the journal ends, once its End was pushed.
  [[nodiscard]] std::optional<EndReason> journal_end() const {
    if (!end_) return std::nullopt;
    return std::get<End>(end_->body).reason;
  }
  /// Every record up to this one was delivered to the machine or compared with it.
  [[nodiscard]] JournalSeq done_seq() const;

  // The machine's side; see emulator/world.h.

  Tick horizon(Tick now);
  std::vector<Input> take_inputs(Tick now);
  /// How far a halted machine may idle: never past a record.
  Tick wait_until(Tick now, Tick next_due);
  enum class Verdict : std::uint8_t {
    kSame,     // A record says the same.
    kPending,  // The record has not arrived yet.
    kDiverged,
  };
  Verdict on_output(const Output& output);
  void on_grid_line(Tick now, std::uint64_t line, StateProbe& probe);
  /// True when the machine has done all that the journal says, or something else.
  bool should_end(Tick now, EndReason* reason);
  void on_end(Tick now, EndReason reason, const Digest& state);

  /// After close(): the machine's marks that the journal will never have, oldest first, with number
  /// 0. Whoever goes on from here writes them.
  std::vector<Record> take_unmet() {
    FTVM_ASSERT(closed_);
    std::vector<Record> unmet(own_.begin(), own_.end());
    own_.clear();
    return unmet;
  }

  /// The first difference; stays.
  [[nodiscard]] const std::optional<Divergence>& divergence() const { return divergence_; }

 private:
  Verdict take_own(Record own);
  void compare_marks();
  void compare_ends();
  void see(Tick now);
  [[nodiscard]] bool settled(Tick now) const;
  void report(DivergenceKind kind, const Record* expected, const Record* actual);
  void report_missing(const Record& mark);
  void report_unexpected(const Record& own);

  Options options_;
  JournalSeq last_seq_;
  Tick last_at_;
  Tick granted_;               // Every record before this tick is here.
  std::deque<Record> inputs_;  // Not delivered yet.
  std::size_t input_bytes_ = 0;
  std::deque<Record> marks_;  // Of the journal, not met by the machine yet.
  std::deque<Record> own_;    // Of the machine, not met by the journal yet; seq is 0.
  // Invariant: marks_ or own_ is empty.
  std::optional<Record> end_;      // Of the journal.
  std::optional<Record> own_end_;  // Of the machine.
  bool closed_ = false;
  Tick position_;                 // Last tick at which the machine was seen.
  std::optional<Tick> asked_at_;  // Tick of the last take_inputs().
  std::optional<Divergence> divergence_;
};

}  // namespace ftvm::replay
