// A journal file being written: records are gathered in memory and written as one frame per batch.
// It promises that the file is a whole journal up to its last frame at any time, a full disk
// included. It does not promise that a record is on the disk before end(); the peer's memory, not
// this file, is what protects a run.
//
// A record that append() took will get its place in the file: the room for it, and for the end of
// the journal, is reserved on the disk before it is taken. Where the file system cannot reserve
// (NFS 3, special files) or copies on write, a full disk may show up later, and the last batch is
// lost; the file is still whole up to it.
//
// Source: docs/formats/journal.md; fallocate(2).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emulator/base/bytes.h"
#include "emulator/base/result.h"
#include "emulator/base/scoped_fd.h"
#include "replay/frame.h"
#include "replay/journal_codec.h"
#include "replay/record.h"

namespace ftvm::replay {

/// A batch is written when it has this size, and at every digest mark: a quiet guest makes so few
/// records that a killed process would otherwise take minutes of its run with it.
/// Units: bytes, before compression.
inline constexpr std::size_t kBatchBytes = std::size_t{64} << 10;

class JournalWriter final : public RecordSink {
 public:
  struct Options {
    std::string path{};
    /// A file that is already there is replaced; otherwise it is an error.
    bool overwrite = false;
    /// Batches are compressed when that makes them smaller.
    bool compress = true;
    /// The file never grows over this size. Units: bytes. 0: the disk is the limit.
    std::uint64_t bytes_max = 0;
  };

  /// Creates the file with mode 0600 and writes the header frame.
  /// Errors: kUsage when the file exists, kNoSpace, kIo.
  static Result<std::unique_ptr<JournalWriter>> create(const Options& options,
                                                       const JournalHeader& header);
  /// Writes what was taken as well as it can. Call end() to know.
  ~JournalWriter() override;
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;

  /// Precondition: the record's number follows the last one, its tick is not before the last one,
  /// and no End was appended (asserted).
  /// Errors: kBadData for a record over the limits of record_check.h; kNoSpace when there is no
  /// room for it (a smaller record, and always an End, may still be taken); kIo. After a failed
  /// write every call returns that error, whatever the record's number.
  Status append(const Record& record) override;

  /// Hands all records taken so far to the host's kernel. Errors: kNoSpace, kIo.
  Status flush();

  /// Writes everything, the end frame too if the last record was an End, and waits until it is on
  /// the disk. Nothing may be appended afterwards. Errors: kNoSpace, kIo.
  Status end();

  /// What the file holds by now, in whole frames. Units: bytes.
  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }
  [[nodiscard]] JournalSeq last_seq() const { return last_seq_; }
  /// The last record among them. After end() that is how far the journal is good; start_seq of the
  /// header when there is none.
  [[nodiscard]] JournalSeq written_seq() const { return written_seq_; }
  [[nodiscard]] Tick written_tick() const { return written_tick_; }

 private:
  JournalWriter(const Options& options, const JournalHeader& header, ScopedFd fd);
  Status reserve(std::uint64_t bytes);
  Status write_frame(FrameType type, ByteView payload, std::uint8_t flags);
  Error fail(Error error);

  Options options_;
  ScopedFd fd_;
  std::uint64_t size_bytes_ = 0;      // Whole frames in the file.
  std::uint64_t reserved_bytes_ = 0;  // Up to here the disk has room for us.
  bool can_reserve_ = true;
  std::vector<Record> batch_;
  std::size_t batch_bytes_ = 0;  // Upper bound of batch_ when encoded.
  std::uint64_t record_count_ = 0;
  JournalSeq last_seq_;
  Tick last_tick_;
  JournalSeq written_seq_;
  Tick written_tick_;
  std::optional<Digest> end_state_;  // Of the End record, once there is one.
  bool closed_ = false;
  std::optional<Error> failed_;
};

}  // namespace ftvm::replay
