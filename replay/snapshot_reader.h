// A snapshot taken apart: preamble, state, RAM chunk by chunk, end. It checks everything that can
// be checked without a machine; putting the parts into one is snapshot.h's business.
//
// Source: docs/formats/snapshot.md.
#pragma once

#include <cstdint>
#include <optional>

#include "emulator/base/bytes.h"
#include "emulator/base/result.h"
#include "replay/frame_source.h"
#include "replay/snapshot_codec.h"

namespace ftvm::replay {

/// Call order: read_preamble, read_state, next_ram until it returns nothing. Errors of all:
/// kTornTail when the bytes end too early, kMismatch for another version, kBadData with the offset
/// of the frame that is damaged or out of place, kIo.
class SnapshotReader {
 public:
  /// Lifetime: borrows the descriptor, a file or a stream.
  explicit SnapshotReader(int fd) : frames_(fd) {}

  Result<SnapshotPreamble> read_preamble();
  /// Memory: the state as a whole, which the preamble's bound limits.
  Result<Bytes> read_state();
  /// The next chunk that is not all zeros, in rising order, or nothing when the end frame was met.
  /// Lifetime: until the next call.
  Result<std::optional<RamChunk>> next_ram();
  /// Precondition: next_ram() has returned nothing.
  [[nodiscard]] const SnapshotEnd& end() const { return end_; }
  /// After the end: nothing follows. For files; a stream may go on with something else.
  Status check_nothing_follows();

 private:
  Result<FrameStep> next_frame();

  FrameSource frames_;
  Bytes storage_;
  SnapshotPreamble preamble_;
  std::uint64_t next_offset_ = 0;  // Lowest that the next chunk may have.
  std::uint64_t chunk_count_ = 0;
  SnapshotEnd end_;
};

}  // namespace ftvm::replay
