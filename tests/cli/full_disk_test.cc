// A journal whose disk is full: the guest of a recording stops at a tick and the journal is whole
// up to where the message says; a protected primary hands over; a backup goes on without its copy.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <cstdlib>

#include "tests/cli/pair_process.h"

namespace ftvm::test {
namespace {

using ::testing::HasSubstr;

/// While it lives, no file that is written by this process or one it starts grows beyond `bytes`.
/// To a journal that is a full disk which cannot be seen before the write.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
};

constexpr rlim_t kJournalBytesMax = 20'000;

class FullDisk : public PairProcesses {
 protected:
  /// `err` says up to which record and tick the journal is whole, and so it is.
  void expect_whole(const std::string& err, const std::string& path) {
    const std::string place = between(err, "it is whole up to record ", ". Make room");
    const std::size_t middle = place.find(" at tick ");
    ASSERT_NE(middle, std::string::npos) << err;
    const std::string record = place.substr(0, middle), tick = place.substr(middle + 9);
    const Ran replay = run_ftvm(folder_, tiny_guest("replay", "f", {path}));
    EXPECT_EQ(replay.exit, 0) << replay.err;
    EXPECT_THAT(replay.out, HasSubstr(", " + tick + " ticks, records 1.." + record + ";")) << err;
  }
  std::string journal_ = folder_.file("run.ftj");
};

TEST_F(FullDisk, ARecordingStopsAtATickAndItsJournalIsWholeUpToWhereItSays) {
  Ran ran;
  {
    const FileSizeLimit limit(kJournalBytesMax);
    ran = run_ftvm(folder_,
                   tiny_guest("record", "f",
                              {"--clock", "virtual", "--console", "none", "--journal", journal_}));
  }
  EXPECT_EQ(ran.exit, 6);
  EXPECT_THAT(ran.err, HasSubstr("ftvm record: the guest stopped because its journal could not "
                                 "grow: " +
                                 journal_ + ": the limit for file sizes"));
  EXPECT_THAT(ran.err, HasSubstr("Make room or use another --journal"));
  expect_whole(ran.err, journal_);
}

TEST_F(FullDisk, OnADiskThatIsFullNothingThatWasTakenIsLost) {
  // A file system of its own, which only the shell and what it starts can see.
  const std::string small = folder_.file("small"), err = folder_.file("err");
  ASSERT_EQ(::mkdir(small.c_str(), 0700), 0);
  const std::string script = "mount -t tmpfs -o size=64k none " + small + " || exit 77; " +
                             FTVM_TEST_BINARY + " record --kernel " + FTVM_TINY_GUEST +
                             " --ram 64 --command-line f --clock virtual --console none" +
                             " --journal " + small + "/run.ftj; test $? = 6 || exit 1; cp " +
                             small + "/run.ftj " + journal_;
  const int status = std::system(("unshare -m sh -c '" + script + "' 2> " + err).c_str());
  const bool unable = text_of(err).starts_with("unshare:");
  if (unable || (WIFEXITED(status) && WEXITSTATUS(status) == 77)) {
    GTEST_SKIP() << "mounting a tmpfs needs root";
  }
  EXPECT_EQ(status, 0);
  EXPECT_THAT(text_of(err), HasSubstr("No space left on device"));
  expect_whole(text_of(err), journal_);
}

TEST_F(FullDisk, AProtectedPrimaryHandsOverToItsBackup) {
  {
    const FileSizeLimit limit(kJournalBytesMax);
    start_primary("f", {"--journal", journal_});
  }
  start_backup("f");
  const Ran primary = primary_->wait();
  EXPECT_EQ(primary.exit, 6);
  EXPECT_THAT(primary.err, HasSubstr("primary ended: disk_full"));
  EXPECT_THAT(primary.err,
              HasSubstr("primary: the guest stopped because its journal could not grow"));
  expect_whole(primary.err, journal_);
  ASSERT_TRUE(until_role("backup", "lone"));
  start_client();
  ASSERT_TRUE(client_->prints("line "));
  EXPECT_TRUE(ctl("backup", "stop"));
  EXPECT_EQ(backup_->wait().exit, 0) << backup_->err();
}

TEST_F(FullDisk, ABackupGoesOnWithoutItsJournalAndTakesOverAllTheSame) {
  start_primary("f");
  {
    const FileSizeLimit limit(kJournalBytesMax);
    start_backup("f", {"--journal", journal_});
  }
  ASSERT_TRUE(until("backup", [&](const auto&) {
    return text_of(folder_.file("backup.diag")).find("journal.lost") != std::string::npos;
  }));
  ASSERT_TRUE(until_role("backup", "backup"));
  primary_->signal(SIGKILL);
  ASSERT_TRUE(until_role("backup", "lone"));
  start_client();
  ASSERT_TRUE(client_->prints("line "));
  EXPECT_TRUE(ctl("backup", "stop"));
  const Ran backup = backup_->wait();
  EXPECT_THAT(backup.err, HasSubstr("backup ended: stopped"));
  EXPECT_EQ(backup.exit, 6);
  EXPECT_THAT(backup.err,
              HasSubstr("backup: its journal could not grow, the pair went on without it: "));
  expect_whole(backup.err, journal_);
}

}  // namespace
}  // namespace ftvm::test
