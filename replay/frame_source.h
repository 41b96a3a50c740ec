// Frames out of a descriptor: what journals and snapshots have in common when they are read.
#pragma once

#include <cstdint>

#include "emulator/base/bytes.h"
#include "emulator/base/result.h"
#include "replay/frame.h"

namespace ftvm::replay {

class FrameSource {
 public:
  /// Lifetime: borrows the descriptor. Memory: one frame and one read.
  explicit FrameSource(int fd) : fd_(fd) {}

  /// kFrame, kEnd or kTorn; the payload is valid until the next call. After kEnd and kTorn the
  /// answer stays the same. Errors: kBadData for damage and kMismatch for flags of a later version,
  /// both naming the offset; kIo.
  Result<FrameStep> next();

 private:
  int fd_;
  FrameReader frames_;
};

/// The payload as it was before compression; `storage` holds it if need be. Errors: kBadData.
Result<ByteView> plain_payload(const Frame& frame, Bytes* storage);

/// The error with "frame at byte N" in front.
Error at_offset(Error error, std::uint64_t offset);

}  // namespace ftvm::replay
