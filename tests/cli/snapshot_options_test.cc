// What a user says beside --snapshot: repeated, left out, or refused by both names.
#include <gmock/gmock.h>

#include "tests/cli/process.h"

namespace ftvm::test {
namespace {

using ::testing::HasSubstr;

class BesideASnapshot : public ::testing::Test {
 protected:
  void SetUp() override {
    const Ran ran = run_ftvm(
        folder_,
        tiny_guest("snapshot", "l", {"--rtc", "1700000000", "--at", "1", "--out", snapshot_}));
    ASSERT_EQ(ran.exit, 0) << ran.err;
    write_text(folder_.file("stop"), "wait \"line 000000\"\nstop\n");
  }
  Ran run(std::vector<std::string> more, const std::string& kernel = FTVM_TINY_GUEST) {
    std::vector<std::string> args{
        "run",      "--kernel",           kernel,    "--snapshot", snapshot_,
        "--script", folder_.file("stop"), "--clock", "virtual"};
    args.insert(args.end(), more.begin(), more.end());
    return run_ftvm(folder_, args);
  }
  Folder folder_;
  std::string snapshot_ = folder_.file("a.fts");
};

TEST_F(BesideASnapshot, WhatItDecidesMayBeLeftOutOrRepeated) {
  const Ran alone = run({});
  EXPECT_EQ(alone.exit, 0) << alone.err;
  EXPECT_THAT(alone.out, HasSubstr("line 000000"));
  const Ran repeated = run({"--ram", "64", "--command-line", "l", "--rtc", "1700000000"});
  EXPECT_EQ(repeated.exit, 0) << repeated.err;
  EXPECT_EQ(repeated.out, alone.out);
}

TEST_F(BesideASnapshot, WhatContradictsItIsAUsageErrorThatNamesBoth) {
  struct Case {
    std::vector<std::string> args;
    std::string names, has;
  };
  const Case cases[] = {
      {{"--ram", "128"}, "--ram 128", "has 64"},
      {{"--command-line", "e"}, "--command-line \"e\"", "was booted with \"l\""},
      {{"--append", "quiet"}, "--append \"quiet\"", "was booted with \"l\""},
      {{"--command-line", "l", "--append", "x"}, "--append \"x\"", "was booted with \"l\""},
      {{"--rtc", "1700000001"}, "--rtc 1700000001", "was powered on at 1700000000"},
      {{"--no-reboot"}, "--no-reboot", "reboots"},
  };
  for (const Case& c : cases) {
    const Ran ran = run(c.args);
    EXPECT_EQ(ran.exit, 2) << c.names;
    EXPECT_THAT(ran.err, HasSubstr(c.names + " and --snapshot " + snapshot_ +
                                   ": the snapshot's machine " + c.has));
  }
}

TEST_F(BesideASnapshot, AnotherImageIsRefusedByName) {
  std::string kernel = text_of(FTVM_TINY_GUEST);
  kernel.back() = static_cast<char>(kernel.back() ^ 1);
  write_text(folder_.file("kernel"), kernel);
  const Ran ran = run({}, folder_.file("kernel"));
  EXPECT_EQ(ran.exit, 3);
  EXPECT_THAT(ran.err, HasSubstr("--snapshot " + snapshot_ + ": kernel is "));
}

TEST_F(BesideASnapshot, HowOftenItIsDigestedIsFree) {
  const std::string journal = folder_.file("j.ftj");
  std::vector<std::string> args{
      "record",   "--kernel",           FTVM_TINY_GUEST, "--snapshot", snapshot_,
      "--script", folder_.file("stop"), "--journal",     journal,      "--digest-every",
      "3"};
  EXPECT_EQ(run_ftvm(folder_, args).exit, 0);
  EXPECT_THAT(run_ftvm(folder_, {"inspect", journal}).out, HasSubstr("digest_every_lines  3"));
  const Ran replay =
      run_ftvm(folder_, {"replay", journal, "--kernel", FTVM_TINY_GUEST, "--snapshot", snapshot_});
  EXPECT_EQ(replay.exit, 0) << replay.out << replay.err;
}

}  // namespace
}  // namespace ftvm::test
