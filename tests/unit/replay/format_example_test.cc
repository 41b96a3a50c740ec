// The examples of the format documents are what the program writes, byte by byte.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "replay/frame.h"
#include "replay/header_codec.h"
#include "replay/journal_codec.h"
#include "replay/journal_reader.h"
#include "replay/snapshot_codec.h"
#include "tests/unit/replay/replay_test_util.h"

namespace ftvm::replay {
namespace {

const Digest kDigest{{0x0102030405060708, 0x090a0b0c0d0e0f10}};

/// The ```hex blocks of a document, without what stands behind a "|".
std::vector<Bytes> hex_blocks(const std::string& document) {
  std::ifstream in(std::string(FTVM_TEST_SOURCE_DIR) + "/docs/formats/" + document);
  EXPECT_TRUE(in) << document;
  std::vector<Bytes> blocks;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("```")) {
      inside = line == "```hex";
      if (inside) blocks.emplace_back();
      continue;
    }
    if (!inside) continue;
    std::istringstream words(line.substr(0, line.find('|')));
    for (std::string word; words >> word;) {
      blocks.back().push_back(static_cast<std::uint8_t>(std::stoul(word, nullptr, 16)));
    }
  }
  return blocks;
}

Bytes frame(FrameType type, const Bytes& payload) {
  Bytes out;
  append_frame(out, type, payload);
  return out;
}

JournalHeader example_header() {
  JournalHeader header;
  header.identity.ftvm_version = "0.1.0";
  header.identity.engine_version = "2.1.4";
  header.identity.ram_bytes = 64 << 20;
  header.identity.board = "pc";
  header.identity.entropy_seed = 7;
  for (std::size_t i = 0; i < header.run_id.size(); ++i) {
    header.run_id[i] = static_cast<std::uint8_t>(0xa0 + i);
  }
  return header;
}

std::vector<Record> example_records() {
  return {{{1}, {4096}, Endpoint::kClock, ClockSync{{40'960}, 9'999}},
          {{2}, {5000}, Endpoint::kConsole, OutputMark{Endpoint::kConsole, 3, 0x1122334455667788}},
          {{3}, {5000}, Endpoint::kPower, End{EndReason::kPowerOff, kDigest}}};
}

TEST(FormatDocument, ShowsAJournalAsItIsWritten) {
  const std::vector<Bytes> blocks = hex_blocks("journal.md");
  ASSERT_EQ(blocks.size(), 3u);
  EXPECT_EQ(blocks[0], frame(FrameType::kJournalHeader, encode_header(example_header())));
  EXPECT_EQ(blocks[1], frame(FrameType::kRecords, encode_records(example_records())));
  EXPECT_EQ(blocks[2], frame(FrameType::kJournalEnd, encode_end({3, {3}, {5000}, kDigest})));
}

TEST(FormatDocument, ShowsAJournalThatCanBeRead) {
  Bytes file;
  for (const Bytes& block : hex_blocks("journal.md")) {
    file.insert(file.end(), block.begin(), block.end());
  }
  TempDir dir;
  write_all_of(dir.file("example.ftj"), file);
  const auto reader = JournalReader::open(dir.file("example.ftj"));
  ASSERT_TRUE(reader) << reader.error().message();
  EXPECT_EQ((*reader)->header(), example_header());
  for (const Record& expected : example_records()) {
    const auto record = (*reader)->next();
    ASSERT_TRUE(record);
    ASSERT_TRUE(record->has_value());
    EXPECT_EQ(**record, expected);
  }
  EXPECT_FALSE((*reader)->next()->has_value());
  EXPECT_EQ((*reader)->tail().kind, TailKind::kComplete);
}

TEST(FormatDocument, ShowsASnapshotAsItIsWritten) {
  const std::vector<Bytes> blocks = hex_blocks("snapshot.md");
  ASSERT_EQ(blocks.size(), 3u);
  const JournalHeader header = example_header();
  const SnapshotPreamble preamble{.place = {.tick = {1 << 24}, .seq = {9}, .run_id = header.run_id},
                                  .ram_bytes = 64 << 20,
                                  .state_bytes = 2,
                                  .identity = header.identity};
  EXPECT_EQ(blocks[0], frame(FrameType::kSnapshotPreamble, encode_snapshot_preamble(preamble)));
  EXPECT_EQ(blocks[1], frame(FrameType::kSnapshotState, {0x34, 0x12}));
  EXPECT_EQ(blocks[2], frame(FrameType::kSnapshotEnd, encode_snapshot_end({0, kDigest})));
  const auto back = decode_snapshot_preamble(
      ByteView(blocks[0]).subspan(kFrameHeaderBytes, blocks[0].size() - kFrameOverheadBytes));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(*back, preamble);
}

}  // namespace
}  // namespace ftvm::replay
