// Frames: bytes in, the same bytes out, and every way of being wrong told apart.
#include "replay/frame.h"

#include <gtest/gtest.h>

#include <string>

#include "emulator/base/bytes.h"

namespace ftvm::replay {
namespace {

Bytes bytes(std::string_view text) {
  return Bytes(text.begin(), text.end());
}

Bytes two_frames() {
  Bytes out;
  append_frame(out, FrameType::kRecords, bytes("first"), kFrameZstd);
  append_frame(out, FrameType::kJournalEnd, bytes(""));
  return out;
}

TEST(Frame, StartsWithMagicTypeFlagsAndLength) {
  Bytes out;
  append_frame(out, FrameType::kRecords, bytes("hi"));
  ASSERT_EQ(out.size(), kFrameOverheadBytes + 2);
  EXPECT_EQ(Bytes(out.begin(), out.begin() + 10), (Bytes{'F', 'T', 'V', 'M', 2, 0, 2, 0, 0, 0}));
  EXPECT_EQ(Bytes(out.begin() + 12, out.begin() + 14), bytes("hi"));
}

TEST(Frame, ComesBackAsItWentIn) {
  FrameReader reader;
  reader.feed(two_frames());
  reader.finish();
  FrameStep step = reader.next();
  ASSERT_EQ(step.verdict, FrameVerdict::kFrame);
  EXPECT_EQ(step.offset, 0u);
  EXPECT_EQ(step.frame.type, FrameType::kRecords);
  EXPECT_EQ(step.frame.flags, kFrameZstd);
  EXPECT_EQ(Bytes(step.frame.payload.begin(), step.frame.payload.end()), bytes("first"));
  const std::size_t second = step.size_bytes;
  step = reader.next();
  ASSERT_EQ(step.verdict, FrameVerdict::kFrame);
  EXPECT_EQ(step.offset, second);
  EXPECT_TRUE(step.frame.payload.empty());
  EXPECT_EQ(reader.next().verdict, FrameVerdict::kEnd);
  EXPECT_EQ(reader.next().verdict, FrameVerdict::kEnd);
}

TEST(Frame, AsksForMoreUntilAFrameIsWholeWhateverTheChunks) {
  const Bytes stream = two_frames();
  for (std::size_t chunk = 1; chunk <= stream.size(); ++chunk) {
    FrameReader reader;
    int frames = 0;
    for (std::size_t at = 0; at < stream.size(); at += chunk) {
      while (reader.next().verdict == FrameVerdict::kFrame) ++frames;
      reader.feed(ByteView(stream).subspan(at, std::min(chunk, stream.size() - at)));
    }
    reader.finish();
    while (reader.next().verdict == FrameVerdict::kFrame) ++frames;
    EXPECT_EQ(frames, 2) << chunk;
    EXPECT_EQ(reader.next().verdict, FrameVerdict::kEnd);
  }
}

TEST(Frame, SaysTornAtEveryCut) {
  const Bytes stream = two_frames();
  const std::size_t second = kFrameOverheadBytes + 5;
  for (std::size_t cut = 0; cut < stream.size(); ++cut) {
    FrameReader reader;
    reader.feed(ByteView(stream).first(cut));
    reader.finish();
    FrameStep step = reader.next();
    if (cut >= second) {
      EXPECT_EQ(step.verdict, FrameVerdict::kFrame);
      step = reader.next();
    }
    const bool between = cut == 0 || cut == second;
    EXPECT_EQ(step.verdict, between ? FrameVerdict::kEnd : FrameVerdict::kTorn) << cut;
    EXPECT_EQ(step.offset, cut >= second ? second : 0) << cut;
  }
}

TEST(Frame, SaysDamagedForEveryByteThatWasChangedInAnyWay) {
  const Bytes stream = two_frames();
  for (std::size_t at = 0; at < stream.size(); ++at) {
    for (int change = 1; change < 256; ++change) {
      Bytes damaged = stream;
      damaged[at] = static_cast<std::uint8_t>(damaged[at] ^ change);
      FrameReader reader;
      reader.feed(damaged);
      reader.finish();
      FrameStep step = reader.next();
      if (at >= kFrameOverheadBytes + 5) step = reader.next();
      ASSERT_EQ(step.verdict, FrameVerdict::kDamaged) << at << " ^ " << change;
      ASSERT_FALSE(step.why.empty());
    }
  }
}

TEST(Frame, TakesZerosUpToTheEndForATornTailButNotInTheMiddle) {
  Bytes stream = two_frames();
  const std::size_t good = stream.size();
  stream.resize(good + 5000, 0);
  FrameReader torn;
  torn.feed(stream);
  EXPECT_EQ(torn.next().verdict, FrameVerdict::kFrame);
  EXPECT_EQ(torn.next().verdict, FrameVerdict::kFrame);
  EXPECT_EQ(torn.next().verdict, FrameVerdict::kNeedMore);
  torn.feed(Bytes(100, 0));
  torn.finish();
  const FrameStep step = torn.next();
  EXPECT_EQ(step.verdict, FrameVerdict::kTorn);
  EXPECT_EQ(step.offset, good);

  FrameReader damaged;
  stream.push_back(1);
  damaged.feed(stream);
  (void)damaged.next();
  (void)damaged.next();
  EXPECT_EQ(damaged.next().verdict, FrameVerdict::kDamaged);
}

TEST(Frame, RefusesALengthOverTheLimitWithoutWaitingForIt) {
  Bytes header;
  append_frame(header, FrameType::kRecords, {});
  // A header that is right in itself: only the length is absurd. Found by trying all checks.
  store_le<std::uint32_t>(header.data() + 6, 0xffffffff);
  FrameVerdict seen = FrameVerdict::kNeedMore;
  for (std::uint32_t check = 0; check < 0x10000; ++check) {
    store_le<std::uint16_t>(header.data() + 10, static_cast<std::uint16_t>(check));
    const FrameStep step = parse_frame(ByteView(header).first(kFrameHeaderBytes));
    ASSERT_EQ(step.verdict, FrameVerdict::kDamaged);
    if (step.why.find("longer") != std::string_view::npos) seen = step.verdict;
  }
  EXPECT_EQ(seen, FrameVerdict::kDamaged);
}

TEST(Frame, TakesTheLongestPayload) {
  Bytes out;
  append_frame(out, FrameType::kRecords, Bytes(kFramePayloadMax, 7));
  EXPECT_EQ(parse_frame(out).verdict, FrameVerdict::kFrame);
}

}  // namespace
}  // namespace ftvm::replay
