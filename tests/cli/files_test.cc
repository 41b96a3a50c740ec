// inspect, digest, diff and keygen as processes: what they print and how they exit, on journals
// that are written here.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "replay/journal_writer.h"
#include "replay/snapshot.h"
#include "tests/cli/run_ftvm.h"
#include "tests/support/toy_image.h"
#include "tests/unit/replay/replay_test_util.h"

namespace ftvm::test {
namespace {

using replay::Record;
using ::testing::HasSubstr;
using ::testing::Not;

std::string write_journal(const std::string& path, const std::vector<Record>& records) {
  const auto writer =
      replay::JournalWriter::create({.path = path, .compress = false}, replay::some_header());
  EXPECT_TRUE(writer) << writer.error().message();
  for (const Record& record : records) {
    EXPECT_TRUE((*writer)->append(record));
    EXPECT_TRUE((*writer)->flush());  // A frame each, so that damage hits one record.
  }
  EXPECT_TRUE((*writer)->end());
  return path;
}

class Files : public ::testing::Test {
 protected:
  Folder folder_;
  std::string journal_ = write_journal(folder_.file("a.ftj"), replay::one_of_each());
  std::size_t count_ = replay::one_of_each().size();
};

TEST_F(Files, InspectShowsAWholeJournal) {
  const Ran ran = run_ftvm(folder_, {"inspect", journal_});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_EQ(ran.err, "");
  EXPECT_THAT(ran.out, HasSubstr("console_bytes             1 records"));
  EXPECT_THAT(ran.out, HasSubstr("1000000 ticks, 5.010000 s"));
  EXPECT_THAT(ran.out, HasSubstr("power_off, digest"));
  EXPECT_THAT(ran.out, HasSubstr("tail                complete"));
}

TEST_F(Files, InspectListsRecordsOneALine) {
  Ran ran = run_ftvm(folder_, {"inspect", journal_, "--records", "2..3"});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 2);
  EXPECT_THAT(ran.out, HasSubstr("\"ls\\n\""));
  ran = run_ftvm(folder_, {"inspect", "--records", journal_});
  EXPECT_EQ(static_cast<std::size_t>(std::count(ran.out.begin(), ran.out.end(), '\n')), count_);
  ran = run_ftvm(folder_, {"inspect", journal_, "--records", "3..2"});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, HasSubstr("--records 3..2"));
}

TEST_F(Files, InspectJsonIsOneObjectAndRecordsAreOneEach) {
  const Ran whole = run_ftvm(folder_, {"inspect", "--json", journal_});
  const auto json = nlohmann::json::parse(whole.out);
  EXPECT_EQ(json["type"], "journal");
  EXPECT_EQ(json["total"]["records"], count_);
  EXPECT_EQ(json["kinds"]["output_mark"]["records"], 2);
  EXPECT_EQ(json["tail"]["kind"], "complete");
  EXPECT_EQ(json["end"]["reason"], "power_off");
  const Ran listed = run_ftvm(folder_, {"inspect", "--json", journal_, "--records"});
  std::istringstream lines(listed.out);
  std::uint64_t seq = 0;
  for (std::string line; std::getline(lines, line);) {
    EXPECT_EQ(nlohmann::json::parse(line)["seq"], ++seq);
  }
  EXPECT_EQ(seq, count_);
}

TEST_F(Files, InspectShowsWhatIsGoodOfADamagedJournalAndNamesTheDamage) {
  std::string bytes = text_of(journal_);
  bytes[bytes.size() - 140] = static_cast<char>(bytes[bytes.size() - 140] ^ 1);
  write_text(journal_, bytes);
  const Ran ran = run_ftvm(folder_, {"inspect", journal_});
  EXPECT_EQ(ran.exit, 3);
  EXPECT_THAT(ran.out, HasSubstr("clock_sync                1 records"));
  EXPECT_THAT(ran.out, HasSubstr("tail                damaged: "));
  EXPECT_THAT(ran.err, HasSubstr(journal_ + ": frame at byte "));
  const Ran json = run_ftvm(folder_, {"inspect", journal_, "--json"});
  EXPECT_EQ(json.exit, 3);
  EXPECT_EQ(nlohmann::json::parse(json.out)["error"]["code"], "bad_data");
}

TEST_F(Files, InspectSaysWhereACutJournalEndsAndThatIsNoDamage) {
  const std::string bytes = text_of(journal_);
  write_text(journal_, bytes.substr(0, bytes.size() - 70));
  const Ran ran = run_ftvm(folder_, {"inspect", journal_});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("tail                torn at byte "));
}

TEST_F(Files, WhatIsNeitherJournalNorSnapshotIsRefused) {
  const std::string path = folder_.file("notes.txt");
  write_text(path, "hello");
  for (const char* command : {"inspect", "digest"}) {
    const Ran ran = run_ftvm(folder_, {command, path});
    EXPECT_EQ(ran.exit, 3);
    EXPECT_THAT(ran.err, HasSubstr("neither a journal nor a snapshot"));
  }
}

TEST_F(Files, DigestIsThatOfTheEndRecordAndACutJournalHasNone) {
  const auto records = replay::one_of_each();
  const std::string state = std::get<replay::End>(records.back().body).state.hex();
  Ran ran = run_ftvm(folder_, {"digest", journal_});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_THAT(ran.out, HasSubstr(state));
  const std::string bytes = text_of(journal_);
  write_text(journal_, bytes.substr(0, bytes.size() - 100));
  ran = run_ftvm(folder_, {"digest", journal_});
  EXPECT_EQ(ran.exit, 3);
  EXPECT_THAT(ran.err, HasSubstr("no final digest"));
}

TEST_F(Files, DiffShowsTheFirstRecordThatDiffers) {
  auto records = replay::one_of_each();
  std::get<ConsoleBytes>(records[1].body).bytes = {'p', 's', '\n'};
  std::get<replay::OutputMark>(records[6].body).hash = 7;
  const std::string other = write_journal(folder_.file("b.ftj"), records);
  const Ran ran = run_ftvm(folder_, {"diff", journal_, other});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.out, HasSubstr("record 2 at tick 10"));
  EXPECT_THAT(ran.out, HasSubstr("\"ls\\n\""));
  EXPECT_THAT(ran.out, HasSubstr("\"ps\\n\""));
  EXPECT_THAT(ran.out, Not(HasSubstr("record 7")));
}

TEST_F(Files, DiffSaysSameAndWhoEndsBefore) {
  EXPECT_EQ(run_ftvm(folder_, {"diff", journal_, journal_}).exit, 0);
  auto records = replay::one_of_each();
  records.pop_back();
  const std::string other = write_journal(folder_.file("b.ftj"), records);
  const Ran ran = run_ftvm(folder_, {"diff", journal_, other});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.out, HasSubstr("B: nothing: the journal ends before"));
}

TEST_F(Files, DiffOfWhatCannotBeReadIsNotADifference) {
  std::string bytes = text_of(journal_);
  bytes[bytes.size() - 200] = static_cast<char>(bytes[bytes.size() - 200] ^ 1);
  write_text(folder_.file("b.ftj"), bytes);
  EXPECT_EQ(run_ftvm(folder_, {"diff", journal_, folder_.file("b.ftj")}).exit, 3);
  EXPECT_EQ(run_ftvm(folder_, {"diff", journal_, folder_.file("none")}).exit, 3);
}

class SnapshotFile : public ::testing::Test {
 protected:
  void SetUp() override {
    ToyImage image;
    image.tick_ = Tick{77};
    image.ram_[5] = 1;
    ASSERT_TRUE(replay::save_snapshot(path_, image, replay::some_header().identity,
                                      {.tick = image.tick(), .seq = {9}, .run_id = {}}));
    state_ = image.digest_all().hex();
  }
  Folder folder_;
  std::string path_ = folder_.file("a.fts");
  std::string state_;
};

TEST_F(SnapshotFile, InspectShowsItWithoutAMachine) {
  const Ran ran = run_ftvm(folder_, {"inspect", path_});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("tick                77\n"));
  EXPECT_THAT(ran.out, HasSubstr("in 1 chunks"));
  EXPECT_THAT(ran.out, HasSubstr("state               " + state_));
  const auto json = nlohmann::json::parse(run_ftvm(folder_, {"inspect", path_, "--json"}).out);
  EXPECT_EQ(json["type"], "snapshot");
  EXPECT_EQ(json["seq"], 9);
  EXPECT_EQ(json["state"], state_);
  EXPECT_EQ(run_ftvm(folder_, {"inspect", path_, "--records"}).exit, 2);
}

TEST_F(SnapshotFile, InspectNamesDamageBehindThePreamble) {
  const std::string whole = text_of(path_);
  write_text(path_, whole.substr(0, whole.size() - 1));
  Ran ran = run_ftvm(folder_, {"inspect", path_});
  EXPECT_EQ(ran.exit, 3);
  EXPECT_THAT(ran.out, HasSubstr("tick                77\n"));
  EXPECT_THAT(ran.err, HasSubstr("without an end frame"));
  write_text(path_, whole + "x");
  ran = run_ftvm(folder_, {"inspect", path_, "--json"});
  EXPECT_EQ(ran.exit, 3);
  EXPECT_TRUE(nlohmann::json::parse(ran.out).contains("error"));
}

TEST_F(SnapshotFile, WhatThisProgramWouldNotBuildIsRefusedByName) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"digest", path_}, {"diff", path_, path_}}) {
    const Ran ran = run_ftvm(folder_, args);
    EXPECT_EQ(ran.exit, 3);
    EXPECT_THAT(ran.err, HasSubstr("board is \"pc uart=2\" there"));
  }
}

TEST_F(Files, KeygenMakesAFileForItsOwnerAloneAndNeverReplacesOne) {
  const std::string key = folder_.file("pair.key");
  EXPECT_EQ(run_ftvm(folder_, {"keygen", "--out", key}).exit, 0);
  struct stat facts {};
  ASSERT_EQ(::stat(key.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  const std::string text = text_of(key);
  EXPECT_EQ(text.size(), 65u);
  const Ran again = run_ftvm(folder_, {"keygen", "--out", key});
  EXPECT_EQ(again.exit, 2);
  EXPECT_THAT(again.err, HasSubstr("exists already"));
  EXPECT_EQ(text_of(key), text);
}

}  // namespace
}  // namespace ftvm::test
