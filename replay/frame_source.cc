#include "replay/frame_source.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <utility>

#include "replay/compress.h"

namespace ftvm::replay {
namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10;

}  // namespace

Error at_offset(Error error, std::uint64_t offset) {
  error.context("frame at byte " + std::to_string(offset));
  return error;
}

Result<FrameStep> FrameSource::next() {
  for (;;) {
    const FrameStep step = frames_.next();
    if (step.verdict == FrameVerdict::kDamaged) {
      return at_offset(Error(ErrorCode::kBadData, "damaged: " + std::string(step.why)),
                       step.offset);
    }
    if (step.verdict == FrameVerdict::kFrame && (step.frame.flags & ~kFrameFlagsKnown) != 0) {
      return at_offset(Error(ErrorCode::kMismatch, "flags of a later version"), step.offset);
    }
    if (step.verdict != FrameVerdict::kNeedMore) return step;
    std::array<std::uint8_t, kReadBytes> chunk;
    const ssize_t got = ::read(fd_, chunk.data(), chunk.size());
    if (got < 0 && errno != EINTR) return error_from_errno("read");
    if (got == 0) frames_.finish();
    if (got > 0) frames_.feed(ByteView(chunk).first(static_cast<std::size_t>(got)));
  }
}

Result<ByteView> plain_payload(const Frame& frame, Bytes* storage) {
  if ((frame.flags & kFrameZstd) == 0) return frame.payload;
  *storage = FTVM_TRY(decompress(frame.payload, kFramePayloadMax));
  return ByteView(*storage);
}

}  // namespace ftvm::replay
