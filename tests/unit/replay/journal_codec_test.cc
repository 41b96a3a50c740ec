// Codecs of journal records, header and identity: round trips, limits, hostile bytes.
#include "replay/journal_codec.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "emulator/clock.h"
#include "emulator/memory.h"
#include "replay/header_codec.h"
#include "replay/identity.h"
#include "replay/record_check.h"
#include "tests/support/toy_machine.h"
#include "tests/unit/replay/replay_test_util.h"

namespace ftvm::replay {
namespace {

TEST(JournalCodec, GivesBackEveryKindOfRecord) {
  const std::vector<Record> records = one_of_each(41);
  const auto back = decode_records(encode_records(records));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(*back, records);
}

TEST(JournalCodec, KeepsAnUnusualEndpoint) {
  std::vector<Record> records = one_of_each();
  records.resize(8);
  for (Record& record : records) {
    record.endpoint = Endpoint::kDebug;
    if (auto* mark = std::get_if<OutputMark>(&record.body)) mark->endpoint = Endpoint::kDebug;
  }
  const auto back = decode_records(encode_records(records));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(*back, records);
}

TEST(JournalCodec, KeepsTheLargestNumbers) {
  const Tick last{Tick::never().value - 1};
  const std::vector<Record> records{
      {{~std::uint64_t{0} - 3}, {0}, Endpoint::kDisk0, DiskDone{~std::uint64_t{0}, -4095, {}}},
      {{~std::uint64_t{0} - 2},
       last,
       Endpoint::kClock,
       ClockSync{{~std::uint64_t{0} - 1}, kPsPerTickMax}},
      {{~std::uint64_t{0} - 1}, last, Endpoint::kPower, Protected{{~std::uint64_t{0}}}}};
  const auto back = decode_records(encode_records(records));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(*back, records);
}

/// Bytes that one more record costs in a batch.
std::size_t cost(const Record& record) {
  Record second = record;
  second.seq = record.seq.next();
  second.at = record.at.plus(2'000'000);
  const std::vector<Record> batch{record, second};
  return encode_records(batch).size() - encode_records({batch.data(), 1}).size();
}

TEST(JournalCodec, SpendsAtMost20BytesOnAFrequentRecord) {
  EXPECT_LE(cost({{9},
                  {1'000'000'000},
                  Endpoint::kConsole,
                  OutputMark{Endpoint::kConsole, 100, ~std::uint64_t{0}}}),
            20u);
  // Six days of guest time.
  EXPECT_LE(
      cost({{9}, {1'000'000'000}, Endpoint::kClock, ClockSync{{std::uint64_t{1} << 49}, 12'345}}),
      20u);
}

TEST(JournalCodec, NeverTakesMoreThanItsUpperBound) {
  for (const Record& record : one_of_each()) {
    EXPECT_LE(encode_records({&record, 1}).size(), encoded_bytes_max(record) + kBatchOverheadMax);
  }
}

TEST(JournalCodec, RefusesEveryFieldThatIsOutOfRangeAndNamesIt) {
  struct Case {
    RecordBody body;
    std::string named;
  };
  const std::vector<Case> cases{
      {ClockSync{{1}, 0}, "ps_per_tick"},
      {ClockSync{{1}, kPsPerTickMax + 1}, "ps_per_tick"},
      {ClockSync{GuestTime::never(), 1}, "base_ns"},
      {ConsoleBytes{0, Bytes(kConsoleBytesMax + 1, 0)}, "length"},
      {ConsoleBytes{~std::uint64_t{0}, {1}}, "offset"},
      {NetFrame{Bytes(kNetFrameBytesMax + 1, 0)}, "length"},
      {DiskDone{1, 1, {}}, "status"},
      {DiskDone{1, -4096, {}}, "status"},
      {DiskDone{1, -5, {1}}, "failed"},
      {DiskDone{1, 0, Bytes(kDiskDoneBytesMax + 1, 0)}, "length"},
      {static_cast<Control>(0), "control"},
      {static_cast<Control>(3), "control"},
      {OutputMark{Endpoint::kConsole, kOutputLengthMax + 1, 0}, "length"},
      {DigestMark{kRamSlices, {}}, "slice"},
      {End{static_cast<EndReason>(0), {}}, "reason"},
      {End{static_cast<EndReason>(11), {}}, "reason"},
  };
  for (const Case& one : cases) {
    const Status status = check_record({{1}, {1}, Endpoint::kConsole, one.body});
    ASSERT_FALSE(status) << one.named;
    EXPECT_EQ(status.error().code(), ErrorCode::kBadData);
    EXPECT_NE(status.error().message().find(one.named), std::string::npos)
        << status.error().message();
  }
  EXPECT_FALSE(check_record({{0}, {1}, Endpoint::kPower, Protected{{1}}}));
  EXPECT_FALSE(check_record({{1}, Tick::never(), Endpoint::kPower, Protected{{1}}}));
  EXPECT_FALSE(check_record({{1}, {1}, static_cast<Endpoint>(7), Protected{{1}}}));
}

// Batches as a hostile or later writer would make them, in protobuf's own encoding.
Bytes batch_of(std::initializer_list<Bytes> parts) {
  Bytes out;
  for (const Bytes& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}
Bytes record_field(const Bytes& record) {
  Bytes out{0x1a, static_cast<std::uint8_t>(record.size())};
  out.insert(out.end(), record.begin(), record.end());
  return out;
}
const Bytes kFirstSeq1{0x08, 0x01};
const Bytes kControl1{0x38, 0x01};

void expect_refused(const Bytes& payload, const std::string& named) {
  const auto records = decode_records(payload);
  ASSERT_FALSE(records) << named;
  EXPECT_EQ(records.error().code(), ErrorCode::kBadData);
  EXPECT_NE(records.error().message().find(named), std::string::npos) << records.error().message();
}

TEST(JournalCodec, RefusesBatchesThatItCouldNotHaveWritten) {
  ASSERT_TRUE(decode_records(batch_of({kFirstSeq1, record_field(kControl1)})));
  expect_refused({}, "record count");
  expect_refused({0xff}, "protobuf");
  expect_refused(batch_of({kFirstSeq1}), "record count");
  expect_refused(batch_of({record_field(kControl1)}), "first seq");
  expect_refused(batch_of({{0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
                           record_field(kControl1)}),
                 "first seq");
  expect_refused(batch_of({kFirstSeq1, record_field({})}), "no kind");
  expect_refused(batch_of({kFirstSeq1, record_field({0x38, 0x03})}), "control");
  expect_refused(batch_of({kFirstSeq1, record_field({0x38, 0x81, 0x02})}), "control");  // 257
  expect_refused(batch_of({kFirstSeq1, record_field({0x10, 0x07, 0x38, 0x01})}), "endpoint");
  expect_refused(batch_of({kFirstSeq1, record_field({0x10, 0x81, 0x80, 0x04, 0x38, 0x01})}),
                 "endpoint");  // 65537
  expect_refused(batch_of({kFirstSeq1, record_field({0x38, 0x01, 0x78, 0x01})}), "does not know");
  expect_refused(batch_of({kFirstSeq1, record_field(kControl1), {0x78, 0x01}}), "does not know");
  // The first tick is the last there is, and a delta goes over it.
  expect_refused(batch_of({kFirstSeq1,
                           {0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
                           record_field({0x08, 0x01, 0x38, 0x01})}),
                 "overflow");
  // Something after an End: reason 1.
  expect_refused(
      batch_of({kFirstSeq1, record_field({0x62, 0x02, 0x08, 0x01}), record_field(kControl1)}),
      "record 2: it follows the end");
}

TEST(JournalCodec, RefusesMoreRecordsThanABatchMayHave) {
  Bytes payload = kFirstSeq1;
  const Bytes one = record_field(kControl1);
  for (std::size_t i = 0; i <= kBatchRecordsMax; ++i) {
    payload.insert(payload.end(), one.begin(), one.end());
  }
  expect_refused(payload, "record count");
}

TEST(JournalCodec, SurvivesEveryChangeOfEveryByte) {
  const std::vector<Record> records = one_of_each();
  const Bytes good = encode_records(records);
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int change = 1; change < 256; ++change) {
      Bytes bad = good;
      bad[at] = static_cast<std::uint8_t>(bad[at] ^ change);
      const auto back = decode_records(bad);
      if (!back) {
        ASSERT_EQ(back.error().code(), ErrorCode::kBadData);
        continue;
      }
      for (const Record& record : *back) ASSERT_TRUE(check_record(record));
      ASSERT_EQ(*decode_records(encode_records(*back)), *back);
    }
  }
}

TEST(JournalCodec, GivesBackTheEnd) {
  const JournalEnd end{12, {13}, {14}, Digest{{15, 16}}};
  const auto back = decode_end(encode_end(end));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, end);
  EXPECT_FALSE(decode_end(Bytes(39, 0)));
  EXPECT_FALSE(decode_end(Bytes(41, 0)));
}

TEST(HeaderCodec, GivesBackTheHeader) {
  JournalHeader header = some_header();
  header.start = Tick{99};
  header.start_seq = JournalSeq{98};
  header.start_snapshot = Digest{{97, 96}};
  header.identity.command_line = "not UTF-8: \xff\xfe";
  const auto back = decode_header(encode_header(header));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(*back, header);
}

TEST(HeaderCodec, RefusesAnotherFormatVersionByName) {
  Bytes payload = encode_header(some_header());
  payload[0] = 3;
  const auto back = decode_header(payload);
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().code(), ErrorCode::kMismatch);
  EXPECT_EQ(back.error().message(), "format version 3; this program reads version 2");
}

TEST(HeaderCodec, RefusesWhatIsNoHeader) {
  EXPECT_EQ(decode_header({}).error().code(), ErrorCode::kBadData);
  Bytes payload = encode_header(some_header());
  payload.pop_back();
  EXPECT_EQ(decode_header(payload).error().code(), ErrorCode::kBadData);
  EXPECT_EQ(decode_header(Bytes{2, 0, 0, 0}).error().code(), ErrorCode::kBadData);
}

TEST(Identity, NamesTheFirstFieldThatDiffersWithBothValues) {
  struct Case {
    std::string field;
    std::function<void(MachineIdentity&)> change;
    std::string journal;
    std::string mine;
  };
  const std::vector<Case> cases{
      {"format_version", [](auto& i) { i.format_version = 9; }, "2", "9"},
      {"ftvm_version", [](auto& i) { i.ftvm_version = "9.9"; }, "\"0.1.0\"", "\"9.9\""},
      {"engine_version", [](auto& i) { i.engine_version = "2.2"; }, "\"2.1.4\"", "\"2.2\""},
      {"ram_bytes", [](auto& i) { i.ram_bytes = 1; }, "268435456", "1"},
      {"board", [](auto& i) { i.board = "x\n"; }, "\"pc uart=2\"", "\"x?\""},
      {"command_line", [](auto& i) { i.command_line = "q"; }, "\"console=ttyS0\"", "\"q\""},
      {"kernel", [](auto& i) { i.kernel.words[0] = 0; }, Digest{{1, 2}}.hex(),
       Digest{{0, 2}}.hex()},
      {"initramfs", [](auto& i) { i.initramfs.words[1] = 0; }, Digest{{3, 4}}.hex(),
       Digest{{3, 0}}.hex()},
      {"boot_unix_s", [](auto& i) { i.boot_unix_s = 5; }, "-1", "5"},
      {"entropy_seed", [](auto& i) { i.entropy_seed = 5; }, "18369614221190020847", "5"},
      {"clock", [](auto& i) { i.clock = ClockMode::kVirtual; }, "host", "virtual"},
      {"libm_probe", [](auto& i) { i.libm_probe = 5; }, "77", "5"},
      {"digest_every_lines", [](auto& i) { i.digest_every_lines = 5; }, "16", "5"},
  };
  const MachineIdentity journal = some_header().identity;
  EXPECT_TRUE(check_identity(journal, journal));
  for (const Case& one : cases) {
    MachineIdentity mine = journal;
    one.change(mine);
    const Status status = check_identity(journal, mine);
    ASSERT_FALSE(status) << one.field;
    EXPECT_EQ(status.error().code(), ErrorCode::kMismatch);
    EXPECT_EQ(status.error().message(),
              one.field + " is " + one.journal + " there and " + one.mine + " here");
    const auto back = decode_identity(encode_identity(mine));
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, mine) << one.field;
  }
}

}  // namespace
}  // namespace ftvm::replay
