// Records on lines and journals in numbers, as `ftvm inspect` shows them.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ftcore/cli/file_kind.h"
#include "ftcore/cli/identity_text.h"
#include "ftcore/cli/journal_summary.h"
#include "ftcore/cli/record_line.h"
#include "replay/journal_writer.h"
#include "tests/unit/replay/replay_test_util.h"

namespace ftvm::cli {
namespace {

using replay::Record;

TEST(SeqRange, ReadsEveryForm) {
  const auto has = [](const char* text, std::uint64_t seq) {
    const auto range = parse_seq_range(text);
    EXPECT_TRUE(range) << text;
    return range && range->has({seq});
  };
  EXPECT_TRUE(has("", 1));
  EXPECT_TRUE(has("..", ~std::uint64_t{0}));
  EXPECT_TRUE(has("3..5", 3));
  EXPECT_TRUE(has("3..5", 5));
  EXPECT_FALSE(has("3..5", 2));
  EXPECT_FALSE(has("3..5", 6));
  EXPECT_TRUE(has("7..", 1'000));
  EXPECT_FALSE(has("7..", 6));
  EXPECT_TRUE(has("..7", 7));
  EXPECT_FALSE(has("..7", 8));
  EXPECT_TRUE(has("7", 7));
  EXPECT_FALSE(has("7", 8));
  for (const char* text : {"a", "5..3", "1..2..3", "-1", "1.5", "99999999999999999999", "1...2"}) {
    EXPECT_FALSE(parse_seq_range(text)) << text;
  }
}

TEST(RecordLine, ShowsWhatARecordCarries) {
  const Record typed{{7}, {10}, Endpoint::kConsole, ConsoleBytes{1000, {'l', 's', '\n', 0x1b}}};
  EXPECT_EQ(record_detail(typed), "console, 4 bytes at offset 1000, \"ls\\n\\x1b\"");
  const Record frame{{8}, {10}, Endpoint::kNet0, NetFrame{Bytes(60, 0xee)}};
  EXPECT_NE(record_detail(frame).find("eeee... (xxh128 "), std::string::npos);
  EXPECT_NE(record_line(typed).find("       7               10  console_bytes "),
            std::string::npos);
  const auto json = nlohmann::json::parse(record_json(typed));
  EXPECT_EQ(json["bytes"], "6c730a1b");
  EXPECT_EQ(json["seq"], 7);
  EXPECT_EQ(json["endpoint"], "console");
}

/// Records of one length and content must not look the same when their content differs.
TEST(RecordLine, TellsLongContentsApart) {
  Bytes one(600, 1), other(600, 1);
  other.back() = 2;
  const Record left{{1}, {1}, Endpoint::kNet0, NetFrame{one}};
  const Record right{{1}, {1}, Endpoint::kNet0, NetFrame{other}};
  EXPECT_NE(record_detail(left), record_detail(right));
}

TEST(RecordLine, EncodedBytesAddUpToTheBatch) {
  const std::vector<Record> records = replay::one_of_each();
  std::size_t sum = replay::encode_records({records.data(), 1}).size();
  for (std::size_t i = 1; i < records.size(); ++i) {
    const Record pair[] = {records[i - 1], records[i]};
    sum += replay::encode_records(pair).size() - replay::encode_records({&pair[0], 1}).size();
    // The delta of its tick is counted from the record itself.
    EXPECT_LE(encoded_bytes(records[i]), replay::encoded_bytes_max(records[i]));
  }
  EXPECT_EQ(sum, replay::encode_records(records).size());
}

TEST(OneLine, IsPrintableAndReversible) {
  EXPECT_EQ(one_line(std::string_view("a\nb\\\x01\xff ", 7)), "a\\nb\\\\\\x01\\xff ");
}

class Summary : public ::testing::Test {
 protected:
  std::string write(const std::vector<Record>& records, const replay::JournalHeader& header) {
    std::string path = dir_.file("a.ftj");
    const auto writer = replay::JournalWriter::create({.path = path, .overwrite = true}, header);
    for (const Record& record : records) EXPECT_TRUE((*writer)->append(record));
    EXPECT_TRUE((*writer)->end());
    return path;
  }
  replay::TempDir dir_;
};

TEST_F(Summary, CountsByKindAndMeasuresGuestTime) {
  const auto summary =
      summarize_journal(write(replay::one_of_each(), replay::some_header()), nullptr);
  ASSERT_TRUE(summary) << summary.error().message();
  EXPECT_EQ(summary->total.records, 12u);
  EXPECT_EQ(summary->kinds.at("output_mark").records, 2u);
  EXPECT_EQ(summary->ticks(), 1'000'000u);
  // Stepped to 5 s at tick 10, then 10 ns a tick.
  EXPECT_EQ(summary->guest_ns, 5'000'000'000 + std::uint64_t{1'000'000 - 10} * 10);
  EXPECT_EQ(summary->end->reason, EndReason::kPowerOff);
  EXPECT_FALSE(summary->damage);
  std::uint64_t bytes = 0;
  for (const auto& [kind, count] : summary->kinds) bytes += count.bytes;
  EXPECT_EQ(bytes, summary->total.bytes);
}

TEST_F(Summary, OfAJournalThatStartsAtASnapshotBeginsItsTimeAtTheFirstSync) {
  replay::JournalHeader header = replay::some_header();
  header.start = {5};
  header.start_seq = {3};
  header.start_snapshot = Digest{{1, 2}};
  const auto summary = summarize_journal(write(replay::one_of_each(4), header), nullptr);
  ASSERT_TRUE(summary) << summary.error().message();
  EXPECT_EQ(summary->ticks(), 999'995u);
  EXPECT_EQ(summary->guest_ns, (1'000'000 - 10) * 10u);
  EXPECT_NE(summary_text("x", *summary).find("snapshot " + Digest{{1, 2}}.hex() + " at tick 5"),
            std::string::npos);
}

TEST_F(Summary, AClockThatRanSlowlyBeforeTheSnapshotIsNoDamage) {
  replay::JournalHeader header = replay::some_header();
  header.start = {2'000'000'000};
  header.start_snapshot = Digest{{1, 2}};
  // At the nominal rate it would be 20 s at that tick.
  const ClockSync sync{.base = {1'000'000'000}, .ps_per_tick = 2000};
  const std::vector<Record> records{
      {{1}, {2'000'000'100}, Endpoint::kClock, sync},
      {{2}, {2'000'500'100}, Endpoint::kPower, replay::End{EndReason::kPowerOff, {}}}};
  const auto summary = summarize_journal(write(records, header), nullptr);
  ASSERT_TRUE(summary) << summary.error().message();
  EXPECT_FALSE(summary->damage) << summary->damage->message();
  EXPECT_EQ(summary->guest_ns, 1'000'000u);
}

TEST_F(Summary, JsonOfAnIdentityThatIsNoUtf8IsStillJson) {
  replay::JournalHeader header = replay::some_header();
  header.identity.command_line = "console=\xff\xfe\"\\";
  const auto summary = summarize_journal(write(replay::one_of_each(), header), nullptr);
  ASSERT_TRUE(summary);
  const auto json = nlohmann::json::parse(summary_json("a\xff.ftj", *summary));
  EXPECT_EQ(json["identity"]["command_line"], "console=\\xff\\xfe\"\\\\");
}

TEST_F(Summary, FileKindLooksAtTheFirstFrameOnly) {
  const std::string path = write(replay::one_of_each(), replay::some_header());
  EXPECT_EQ(*file_kind(path), FileKind::kJournal);
  replay::write_all_of(path, Bytes{'F', 'T', 'V', 'M', 16});
  EXPECT_EQ(*file_kind(path), FileKind::kSnapshot);
  replay::write_all_of(path, Bytes{'F', 'T', 'V', 'M', 2});
  EXPECT_EQ(file_kind(path).error().code(), ErrorCode::kBadData);
  replay::write_all_of(path, Bytes{'F', 'T', 'V'});
  EXPECT_EQ(file_kind(path).error().code(), ErrorCode::kBadData);
  EXPECT_EQ(file_kind(dir_.file("none")).error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace ftvm::cli
