#include "replay/frame.h"

#include <algorithm>

#include "emulator/base/assert.h"
#include "emulator/base/crc32c.h"

namespace ftvm::replay {
namespace {

constexpr std::size_t kTypeAt = 4;
constexpr std::size_t kFlagsAt = 5;
constexpr std::size_t kLengthAt = 6;
constexpr std::size_t kHeaderCheckAt = 10;
static_assert(kHeaderCheckAt + sizeof(std::uint16_t) == kFrameHeaderBytes);

std::uint16_t header_check(const std::uint8_t* header) {
  return static_cast<std::uint16_t>(crc32c({header, kHeaderCheckAt}) & 0xffff);
}

FrameStep damaged(std::string_view why) {
  FrameStep step;
  step.verdict = FrameVerdict::kDamaged;
  step.why = why;
  return step;
}

bool all_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

void append_frame(Bytes& out, FrameType type, ByteView payload, std::uint8_t flags) {
  FTVM_ASSERT(payload.size() <= kFramePayloadMax);
  FTVM_ASSERT((flags & ~kFrameFlagsKnown) == 0);
  const std::size_t start = out.size();
  out.reserve(start + kFrameOverheadBytes + payload.size());
  ByteWriter writer(out);
  writer.put_bytes(kFrameMagic);
  writer.put(static_cast<std::uint8_t>(type));
  writer.put(flags);
  writer.put(static_cast<std::uint32_t>(payload.size()));
  writer.put(header_check(out.data() + start));
  writer.put_bytes(payload);
  writer.put(crc32c(ByteView(out).subspan(start)));
}

FrameStep parse_frame(ByteView in) {
  const std::size_t magic_seen = std::min(in.size(), kFrameMagic.size());
  if (!std::equal(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(magic_seen),
                  kFrameMagic.begin())) {
    return damaged("no frame starts here (wrong magic)");
  }
  FrameStep step;
  if (in.size() < kFrameHeaderBytes) return step;
  if (load_le<std::uint16_t>(in.data() + kHeaderCheckAt) != header_check(in.data())) {
    return damaged("the frame header does not match its check");
  }
  const std::size_t length = load_le<std::uint32_t>(in.data() + kLengthAt);
  if (length > kFramePayloadMax) return damaged("the frame is longer than any frame may be");
  if (in.size() < kFrameOverheadBytes + length) return step;
  const std::size_t covered = kFrameHeaderBytes + length;
  if (load_le<std::uint32_t>(in.data() + covered) != crc32c(in.first(covered))) {
    return damaged("the frame does not match its CRC");
  }
  step.verdict = FrameVerdict::kFrame;
  step.size_bytes = kFrameOverheadBytes + length;
  step.frame.type = static_cast<FrameType>(in[kTypeAt]);
  step.frame.flags = in[kFlagsAt];
  step.frame.payload = in.subspan(kFrameHeaderBytes, length);
  return step;
}

void FrameReader::feed(ByteView bytes) {
  FTVM_ASSERT(!finished_);
  if (settled_) return;
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(at_));
  base_ += at_;
  at_ = 0;
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

FrameStep FrameReader::settle(FrameStep step) {
  settled_ = true;
  last_ = step;
  buffer_.clear();
  at_ = 0;
  return step;
}

// A file system that lost power may have grown the file but not written it. Zeros up to the end are
// such a tail; zeros with anything behind them are damage.
FrameStep FrameReader::next_in_zeros() {
  const ByteView rest = ByteView(buffer_).subspan(at_);
  FrameStep step;
  step.offset = zeros_at_;
  if (!all_zero(rest)) {
    step.verdict = FrameVerdict::kDamaged;
    step.why = "zeros where a frame should start";
    return settle(step);
  }
  at_ = buffer_.size();
  if (!finished_) return step;
  step.verdict = FrameVerdict::kTorn;
  step.why = "only zeros follow";
  return settle(step);
}

FrameStep FrameReader::next() {
  if (settled_) return last_;
  if (in_zeros_) return next_in_zeros();
  const ByteView rest = ByteView(buffer_).subspan(at_);
  if (!rest.empty() && rest[0] == 0) {
    in_zeros_ = true;
    zeros_at_ = base_ + at_;
    return next_in_zeros();
  }
  FrameStep step = parse_frame(rest);
  step.offset = base_ + at_;
  switch (step.verdict) {
    case FrameVerdict::kFrame:
      at_ += step.size_bytes;
      return step;
    case FrameVerdict::kNeedMore:
      if (!finished_) return step;
      step.verdict = rest.empty() ? FrameVerdict::kEnd : FrameVerdict::kTorn;
      if (!rest.empty()) step.why = "the last frame is cut off";
      return settle(step);
    default:
      return settle(step);
  }
}

}  // namespace ftvm::replay
