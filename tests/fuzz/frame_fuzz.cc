// Frames from hostile bytes: never a crash, never a payload that append_frame would write in other
// bytes, and the same answer whatever the chunks.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "replay/frame.h"

namespace {

using ftvm::Bytes;
using ftvm::ByteView;
using ftvm::replay::append_frame;
using ftvm::replay::FrameReader;
using ftvm::replay::FrameStep;
using ftvm::replay::FrameVerdict;

/// The frames, written again, and the last verdict.
struct Outcome {
  Bytes frames;
  FrameVerdict verdict = FrameVerdict::kNeedMore;
  std::uint64_t offset = 0;
  bool operator==(const Outcome&) const = default;
};

Outcome read(ByteView input, std::size_t chunk_bytes) {
  Outcome out;
  FrameReader reader;
  for (;;) {
    const FrameStep step = reader.next();
    if (step.verdict == FrameVerdict::kFrame) {
      if ((step.frame.flags & ~ftvm::replay::kFrameFlagsKnown) == 0) {
        append_frame(out.frames, step.frame.type, step.frame.payload, step.frame.flags);
      }
      continue;
    }
    if (step.verdict != FrameVerdict::kNeedMore) {
      out.verdict = step.verdict;
      out.offset = step.offset;
      return out;
    }
    const std::size_t size = std::min(chunk_bytes, input.size());
    if (size == 0) reader.finish();
    if (size > 0) reader.feed(input.first(size));
    input = input.subspan(size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const Outcome whole = read(input, size + 1);
  if (!(whole == read(input, 7))) std::abort();
  // What was read comes first in what was given.
  if (whole.frames.size() > whole.offset) std::abort();
  if (!std::equal(whole.frames.begin(), whole.frames.end(), input.begin()) &&
      whole.frames.size() == whole.offset) {
    std::abort();
  }
  return 0;
}
