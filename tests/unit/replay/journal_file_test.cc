// Journals as files: written, read, cut, damaged, and on a disk that is full.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "replay/frame.h"
#include "replay/header_codec.h"
#include "replay/journal_reader.h"
#include "replay/journal_writer.h"
#include "tests/support/toy_machine.h"
#include "tests/unit/replay/replay_test_util.h"

namespace ftvm::replay {
namespace {

std::unique_ptr<JournalWriter> create(const JournalWriter::Options& options) {
  auto writer = JournalWriter::create(options, some_header());
  EXPECT_TRUE(writer) << writer.error().message();
  return writer ? *std::move(writer) : nullptr;
}

/// A small journal of several frames.
Bytes write_journal(const std::string& path, bool compress, bool ended = true) {
  auto writer = create({.path = path, .compress = compress});
  std::vector<Record> records = one_of_each();
  if (!ended) records.pop_back();
  for (const Record& record : records) {
    EXPECT_TRUE(writer->append(record));
    if (record.seq.value % 4 == 0) {
      EXPECT_TRUE(writer->flush());
    }
  }
  EXPECT_TRUE(writer->end());
  EXPECT_EQ(writer->size_bytes(), read_all(path).size());
  return read_all(path);
}

struct Reading {
  bool opened = false;
  std::vector<Record> records;
  std::optional<Error> error;
  JournalTail tail;
};
Reading read_journal(const std::string& path) {
  Reading out;
  auto reader = JournalReader::open(path);
  if (!reader) {
    out.error = reader.error();
    return out;
  }
  out.opened = true;
  EXPECT_EQ((*reader)->header(), some_header());
  for (;;) {
    auto record = (*reader)->next();
    if (!record) {
      out.error = record.error();
      EXPECT_FALSE((*reader)->next());  // An error stays.
      break;
    }
    if (!record->has_value()) break;
    out.records.push_back(**record);
  }
  out.tail = (*reader)->tail();
  return out;
}

bool is_prefix(const std::vector<Record>& part, const std::vector<Record>& whole) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

class JournalFile : public ::testing::TestWithParam<bool> {
 protected:
  TempDir dir_;
  std::string path_ = dir_.file("run.ftj");
};
INSTANTIATE_TEST_SUITE_P(PlainAndZstd, JournalFile, ::testing::Bool());

TEST_P(JournalFile, ComesBackWholeAndSaysSo) {
  write_journal(path_, GetParam());
  const Reading reading = read_journal(path_);
  EXPECT_FALSE(reading.error);
  EXPECT_EQ(reading.records, one_of_each());
  EXPECT_EQ(reading.tail.kind, TailKind::kComplete);
  EXPECT_EQ(reading.tail.text(), "complete");
  EXPECT_EQ(reading.tail.last_seq.value, 12u);
}

TEST_P(JournalFile, IsReadableByItsOwnerOnly) {
  write_journal(path_, GetParam());
  struct stat what {};
  ASSERT_EQ(::stat(path_.c_str(), &what), 0);
  EXPECT_EQ(what.st_mode & 0777, 0600u);
}

TEST_P(JournalFile, CutAnywhereGivesThePrefixAndSaysWhereItWasCut) {
  const Bytes whole = write_journal(path_, GetParam());
  const std::vector<Record> all = one_of_each();
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    SCOPED_TRACE(cut);
    write_all_of(path_, ByteView(whole).first(cut));
    const Reading reading = read_journal(path_);
    if (!reading.opened) {
      EXPECT_EQ(reading.error->code(), ErrorCode::kTornTail);
      continue;
    }
    ASSERT_FALSE(reading.error) << reading.error->message();
    ASSERT_TRUE(is_prefix(reading.records, all));
    ASSERT_NE(reading.tail.kind, TailKind::kComplete);
    ASSERT_EQ(reading.tail.kind == TailKind::kUnended, reading.tail.offset == cut);
    ASSERT_EQ(reading.tail.last_seq.value, reading.records.size());
    if (!reading.records.empty()) {
      ASSERT_EQ(reading.tail.last_tick, reading.records.back().at);
    }
  }
}

TEST_P(JournalFile, DamagedAnywhereIsAnErrorAfterAPrefixNeverAWrongRecord) {
  const Bytes whole = write_journal(path_, GetParam());
  const std::vector<Record> all = one_of_each();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int change : {0x01, 0x80, 0xff, static_cast<int>(whole[at])}) {
      if (change == 0) continue;
      SCOPED_TRACE(at);
      Bytes damaged = whole;
      damaged[at] = static_cast<std::uint8_t>(damaged[at] ^ change);
      write_all_of(path_, damaged);
      const Reading reading = read_journal(path_);
      ASSERT_TRUE(reading.error);
      ASSERT_EQ(reading.error->code(), ErrorCode::kBadData);
      ASSERT_NE(reading.error->message().find("frame at byte"), std::string::npos);
      ASSERT_TRUE(is_prefix(reading.records, all));
    }
  }
}

TEST_P(JournalFile, WithZerosBehindItIsTornWhereTheyStart) {
  Bytes bytes = write_journal(path_, GetParam(), false);
  const std::size_t good = bytes.size();
  bytes.resize(good + 100'000, 0);
  write_all_of(path_, bytes);
  const Reading reading = read_journal(path_);
  EXPECT_FALSE(reading.error);
  EXPECT_EQ(reading.tail.kind, TailKind::kTorn);
  EXPECT_EQ(reading.tail.offset, good);
  EXPECT_EQ(reading.tail.text(),
            "torn at byte " + std::to_string(good) + ", after record 11 at tick 70");
}

TEST_P(JournalFile, WithoutAnEndIsUnended) {
  write_journal(path_, GetParam(), false);
  const Reading reading = read_journal(path_);
  EXPECT_FALSE(reading.error);
  EXPECT_EQ(reading.records.size(), 11u);
  EXPECT_EQ(reading.tail.kind, TailKind::kUnended);
}

// Frames that are whole but do not belong where they are.
TEST_P(JournalFile, RefusesFramesInTheWrongPlace) {
  const std::vector<Record> records = one_of_each();
  Bytes header, batch, end;
  append_frame(header, FrameType::kJournalHeader, encode_header(some_header()));
  append_frame(batch, FrameType::kRecords, encode_records(records));
  append_frame(end, FrameType::kJournalEnd,
               encode_end({12, {12}, records.back().at, std::get<End>(records.back().body).state}));
  Bytes wrong_end, wire, second_batch, snapshot;
  append_frame(wrong_end, FrameType::kJournalEnd, encode_end({11, {12}, records.back().at, {}}));
  append_frame(wire, FrameType::kFirstWire, {});
  append_frame(second_batch, FrameType::kRecords, encode_records(one_of_each(13)));
  const std::vector<std::pair<std::vector<Bytes>, std::string>> cases{
      {{header, batch, end}, ""},
      {{batch}, "not a journal"},
      {{header, header}, "no place"},
      {{header, wire}, "no place"},
      {{header, end}, "no End record"},
      {{header, batch, wrong_end}, "counts 11"},
      {{header, batch, end, end}, "follows the end"},
      {{header, batch, end, {0, 0, 0}}, "follows the end"},
      {{header, batch, end, {'F', 'T'}}, "follows the end"},
      {{header, batch, second_batch}, "after the end of the run"},
      {{header, second_batch}, "record 13 follows 0"},
  };
  for (const auto& [parts, named] : cases) {
    Bytes file;
    for (const Bytes& part : parts) file.insert(file.end(), part.begin(), part.end());
    write_all_of(path_, file);
    const Reading reading = read_journal(path_);
    ASSERT_EQ(reading.error.has_value(), !named.empty()) << named;
    if (!reading.error) continue;
    EXPECT_EQ(reading.error->code(), ErrorCode::kBadData);
    EXPECT_NE(reading.error->message().find(named), std::string::npos) << reading.error->message();
  }
}

TEST_P(JournalFile, SkipsCheckpointsAndRefusesUnknownFlags) {
  Bytes file = write_journal(path_, GetParam(), false);
  append_frame(file, FrameType::kCheckpoint, Bytes(10, 1));
  write_all_of(path_, file);
  EXPECT_FALSE(read_journal(path_).error);
}

TEST(JournalFileOptions, RefusesToOverwriteUnlessTold) {
  TempDir dir;
  const std::string path = dir.file("run.ftj");
  write_all_of(path, Bytes(10'000, 'x'));
  ::chmod(path.c_str(), 0644);
  auto refused = JournalWriter::create({.path = path}, some_header());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kUsage);
  EXPECT_TRUE(JournalWriter::create({.path = path, .overwrite = true}, some_header()));
  EXPECT_TRUE(read_journal(path).opened);
  struct stat what {};
  ASSERT_EQ(::stat(path.c_str(), &what), 0);
  EXPECT_EQ(what.st_mode & 0777, 0600u);
}

TEST(JournalFileOptions, RefusesARecordOverTheLimitsAndGoesOn) {
  TempDir dir;
  auto writer = create({.path = dir.file("run.ftj")});
  const Status status = writer->append({{1}, {1}, Endpoint::kNet0, NetFrame{Bytes(70'000, 0)}});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kBadData);
  EXPECT_TRUE(writer->append({{1}, {1}, Endpoint::kNet0, NetFrame{Bytes(60'000, 0)}}));
}

TEST(JournalFileOptions, WritesAtTheBatchSizeWithoutBeingAsked) {
  TempDir dir;
  auto writer = create({.path = dir.file("run.ftj"), .compress = false});
  const std::uint64_t empty = writer->size_bytes();
  ASSERT_TRUE(writer->append({{1}, {1}, Endpoint::kNet0, NetFrame{Bytes(60'000, 1)}}));
  EXPECT_EQ(writer->size_bytes(), empty);
  ASSERT_TRUE(writer->append({{2}, {1}, Endpoint::kNet0, NetFrame{Bytes(60'000, 1)}}));
  EXPECT_GT(writer->size_bytes(), empty + 120'000);
  EXPECT_EQ(read_journal(dir.file("run.ftj")).records.size(), 2u);
}

TEST(JournalFileOptions, WritesAtADigestMarkSoThatAKilledRunKeepsItsPast) {
  TempDir dir;
  auto writer = create({.path = dir.file("run.ftj")});
  ASSERT_TRUE(writer->append({{1}, {1}, Endpoint::kPower, Protected{{1}}}));
  EXPECT_EQ(read_journal(dir.file("run.ftj")).records.size(), 0u);
  ASSERT_TRUE(writer->append({{2}, {2}, Endpoint::kPower, DigestMark{0, {}}}));
  EXPECT_EQ(read_journal(dir.file("run.ftj")).records.size(), 2u);
}

TEST(JournalFileOptions, CompressesWhatRepeats) {
  TempDir dir;
  auto writer = create({.path = dir.file("run.ftj")});
  for (std::uint64_t i = 1; i <= 2'000; ++i) {
    ASSERT_TRUE(writer->append({{i}, {i}, Endpoint::kNet0, NetFrame{Bytes(1'000, 7)}}));
  }
  ASSERT_TRUE(writer->end());
  EXPECT_LT(writer->size_bytes(), 40'000u);
  EXPECT_EQ(read_journal(dir.file("run.ftj")).records.size(), 2'000u);
}

TEST(JournalDiskFull, RefusesARecordBeforeTheLimitAndStillHasRoomForTheEnd) {
  TempDir dir;
  for (std::uint64_t limit = 600; limit < 1200; limit += 7) {
    SCOPED_TRACE(limit);
    const std::string path = dir.file("run.ftj");
    auto writer = create({.path = path, .overwrite = true, .compress = false, .bytes_max = limit});
    std::uint64_t taken = 0;
    Status status;
    while (status) {
      if (taken % 3 == 0) {
        ASSERT_TRUE(writer->flush());
      }
      status = writer->append({{taken + 1}, {taken}, Endpoint::kNet0, NetFrame{Bytes(20, 1)}});
      if (status) ++taken;
    }
    EXPECT_EQ(status.error().code(), ErrorCode::kNoSpace);
    ASSERT_TRUE(
        writer->append({{taken + 1}, {taken}, Endpoint::kPower, End{EndReason::kDiskFull, {}}}));
    ASSERT_TRUE(writer->end());
    EXPECT_LE(read_all(path).size(), limit);
    const Reading reading = read_journal(path);
    EXPECT_FALSE(reading.error);
    EXPECT_EQ(reading.records.size(), taken + 1);
    EXPECT_EQ(reading.tail.kind, TailKind::kComplete);
  }
}

TEST(JournalDiskFull, IsNoSpaceOnADeviceThatIsFull) {
  auto writer = JournalWriter::create({.path = "/dev/full", .overwrite = true}, some_header());
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().code(), ErrorCode::kNoSpace) << writer.error().message();
}

// The limit for file sizes cannot be seen by fallocate(2), so the write itself fails half way: this
// is also what a file system does that reserves nothing.
TEST(JournalDiskFull, CutsTheFileBackToItsLastWholeFrame) {
  TempDir dir;
  const std::string path = dir.file("run.ftj");
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{100'000, 100'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto writer = JournalWriter::create({.path = path, .compress = false}, some_header());
    if (!writer) ::_exit(1);
    for (std::uint64_t i = 1; i < 100; ++i) {
      const Status status =
          (*writer)->append({{i}, {i}, Endpoint::kNet0, NetFrame{Bytes(10'000, 1)}});
      if (status) continue;
      const Status again = (*writer)->flush();
      // As a recording does: the End takes the number of the record that was refused.
      const Status end =
          (*writer)->append({{i}, {i}, Endpoint::kPower, End{EndReason::kDiskFull, {}}});
      const bool right = status.error().code() == ErrorCode::kNoSpace && !again &&
                         again.error().code() == ErrorCode::kNoSpace && !end &&
                         end.error().code() == ErrorCode::kNoSpace && !(*writer)->end();
      ::_exit(right ? 0 : 2);
    }
    ::_exit(3);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  const Reading reading = read_journal(path);
  EXPECT_FALSE(reading.error);
  EXPECT_EQ(reading.tail.kind, TailKind::kUnended);
  EXPECT_EQ(reading.records.size(), 7u);
}

TEST(JournalReader, NamesWhatItCannotOpen) {
  TempDir dir;
  EXPECT_EQ(JournalReader::open(dir.file("none")).error().code(), ErrorCode::kNotFound);
  write_all_of(dir.file("empty"), {});
  EXPECT_EQ(JournalReader::open(dir.file("empty")).error().code(), ErrorCode::kTornTail);
  write_all_of(dir.file("text"), Bytes(100, 'x'));
  EXPECT_EQ(JournalReader::open(dir.file("text")).error().code(), ErrorCode::kBadData);
  Bytes payload = encode_header(some_header());
  payload[0] = 7;
  Bytes later;
  append_frame(later, FrameType::kJournalHeader, payload);
  write_all_of(dir.file("later"), later);
  const Error error = JournalReader::open(dir.file("later")).error();
  EXPECT_EQ(error.code(), ErrorCode::kMismatch);
  EXPECT_EQ(error.message(),
            dir.file("later") + ": header: format version 7; this program reads version 2");
}

}  // namespace
}  // namespace ftvm::replay
