// A journal file being read: the header is checked first, then records come one by one with bounded
// memory. A journal that was cut off (its writer died) is good up to its last whole frame, and
// tail() says so; damage before the end is an error with its offset, never a skipped record.
//
// Source: docs/formats/journal.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emulator/base/result.h"
#include "emulator/base/scoped_fd.h"
#include "replay/frame_source.h"
#include "replay/journal_codec.h"
#include "replay/record.h"
#include "replay/record_source.h"

namespace ftvm::replay {

enum class TailKind : std::uint8_t {
  kUnread,    // next() has not come to the end yet.
  kComplete,  // There is an end frame, and it agrees with the records.
  kTorn,      // Cut within a frame.
  kUnended,   // Cut between two frames: everything is whole, but there is no end frame.
};

struct JournalTail {
  TailKind kind = TailKind::kUnread;
  /// Everything before it is good. Units: bytes.
  std::uint64_t offset = 0;
  JournalSeq last_seq;
  Tick last_tick;
  /// "complete", or what is missing and where, for people.
  [[nodiscard]] std::string text() const;
};

class JournalReader final : public RecordSource {
 public:
  /// Opens the file and reads its header. Errors: kNotFound, kIo; kTornTail when the file ends
  /// within the header; kMismatch for another format version; kBadData for anything else.
  static Result<std::unique_ptr<JournalReader>> open(const std::string& path);

  [[nodiscard]] const JournalHeader& header() const { return header_; }

  /// Errors: kBadData with the offset of the frame that is damaged or in the wrong place, kMismatch
  /// for a frame of a later version, kIo. All records before it have been handed out by then.
  Result<std::optional<Record>> next() override;

  /// How the journal ended; kUnread until next() has returned nothing.
  [[nodiscard]] const JournalTail& tail() const { return tail_; }

 private:
  JournalReader(std::string path, ScopedFd fd)
      : path_(std::move(path)), fd_(std::move(fd)), frames_(fd_.get()) {}
  Status read_header();
  Status read_batch();
  Status take_batch(const Frame& frame);
  Status take_end(const Frame& frame);

  std::string path_;
  ScopedFd fd_;
  FrameSource frames_;
  JournalHeader header_;
  std::vector<Record> batch_;
  std::size_t batch_at_ = 0;
  std::uint64_t record_count_ = 0;  // Decoded so far.
  std::optional<Digest> end_state_;
  bool at_end_ = false;
  JournalTail tail_;
  std::optional<Error> failed_;
};

}  // namespace ftvm::replay
