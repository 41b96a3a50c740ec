// Frames: the outermost layer of journals, snapshots and peer messages. A frame says what it holds,
// how long it is and whether it is whole, without any knowledge of its payload; protobuf begins
// inside. Resynchronising after damage is deliberately not offered: a journal with a hole is not a
// journal.
//
// Source: docs/formats/journal.md, "Frames".
//
//   offset  size  field (little-endian)
//        0     4  magic "FTVM"
//        4     1  type
//        5     1  flags
//        6     4  length of the payload
//       10     2  header check: low half of the CRC-32C of bytes 0-9
//       12     n  payload
//   12 + n     4  CRC-32C of bytes 0 to 12 + n - 1
//
// The header has a check of its own so that a damaged length is seen as damage; without it, it
// would look like a frame that was cut off, and the good frames behind it would silently be lost.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "emulator/base/bytes.h"

namespace ftvm::replay {

inline constexpr std::array<std::uint8_t, 4> kFrameMagic{'F', 'T', 'V', 'M'};
inline constexpr std::size_t kFrameHeaderBytes = 12;
inline constexpr std::size_t kFrameTrailerBytes = 4;
inline constexpr std::size_t kFrameOverheadBytes = kFrameHeaderBytes + kFrameTrailerBytes;
/// Longest payload of any frame; bounds what a reader must keep in memory.
inline constexpr std::size_t kFramePayloadMax = std::size_t{16} << 20;

/// What a frame holds. Values are format: append only.
enum class FrameType : std::uint8_t {
  kJournalHeader = 1,
  kRecords = 2,
  kCheckpoint = 3,  // Reserved: a reference to a snapshot; readers of a journal skip it.
  kJournalEnd = 4,
  kSnapshotPreamble = 16,
  kSnapshotState = 17,
  kSnapshotRam = 18,
  kSnapshotEnd = 19,
  kFirstWire = 64,  // From here on the types of peer messages, see ftcore.
};

/// The payload is one zstd frame. All other flag bits are zero in this version.
inline constexpr std::uint8_t kFrameZstd = 0x01;
inline constexpr std::uint8_t kFrameFlagsKnown = kFrameZstd;

/// Lifetime: borrows the bytes it was read from.
struct Frame {
  FrameType type = FrameType::kJournalHeader;
  std::uint8_t flags = 0;
  ByteView payload;
};

/// Appends one frame. Range: the payload is not longer than kFramePayloadMax (asserted: whoever
/// encodes knows its limits).
void append_frame(Bytes& out, FrameType type, ByteView payload, std::uint8_t flags = 0);

enum class FrameVerdict : std::uint8_t {
  kFrame,     // A whole frame with a good CRC.
  kNeedMore,  // Good so far, but not all of it is there yet.
  kEnd,       // The input ended behind the last frame.
  kTorn,      // The input ended within a frame, or in zeros that a crash left behind.
  kDamaged,   // These bytes were never written by append_frame.
};

struct FrameStep {
  FrameVerdict verdict = FrameVerdict::kNeedMore;
  /// Where the frame (or what stands in its place) starts. Units: bytes since the first one fed.
  std::uint64_t offset = 0;
  std::size_t size_bytes = 0;  // Of the whole frame, when there is one.
  Frame frame;
  std::string_view why;  // Of kTorn and kDamaged, for people. Lifetime: static.
};

/// Looks at the frame at the start of `in`: kFrame, kNeedMore or kDamaged; the offset is 0.
[[nodiscard]] FrameStep parse_frame(ByteView in);

/// Takes a byte stream apart. Memory: at most one frame and what was fed on top of it, as long as
/// the caller feeds only after kNeedMore.
class FrameReader {
 public:
  void feed(ByteView bytes);
  /// Nothing more will be fed: what was kNeedMore becomes kEnd or kTorn.
  void finish() { finished_ = true; }
  /// Lifetime: the payload is valid until the next call of feed() or next(). After kEnd, kTorn or
  /// kDamaged the answer stays the same.
  FrameStep next();

 private:
  FrameStep next_in_zeros();
  FrameStep settle(FrameStep step);

  Bytes buffer_;
  std::size_t at_ = 0;      // Of the first unread byte in buffer_.
  std::uint64_t base_ = 0;  // Stream offset of buffer_[0].
  bool finished_ = false;
  bool in_zeros_ = false;  // The stream went on with zeros where a frame should start.
  std::uint64_t zeros_at_ = 0;
  bool settled_ = false;
  FrameStep last_;
};

}  // namespace ftvm::replay
