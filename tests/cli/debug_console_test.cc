// What a guest writes to its debug ports: where it goes, alone and in a pair.
#include <gmock/gmock.h>

#include "tests/cli/pair_process.h"

namespace ftvm::test {
namespace {

using namespace std::string_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kDebugText = "rreeaaddyy\n\n";  // Each byte to both ports.

TEST(DebugConsole, ARunARecordingAndItsReplayGiveTheSameBytes) {
  const Folder folder;
  write_text(folder.file("script"), "wait \"ready\"\nsend \"q\"\n");
  const auto run = [&](const std::string& command, const std::vector<std::string>& more) {
    const std::string file = folder.file(command + ".debug");
    std::vector<std::string> args{"--debug-console", file, "--script", folder.file("script")};
    if (command == "replay") args.resize(2);
    args.insert(args.end(), more.begin(), more.end());
    const Ran ran = run_ftvm(folder, tiny_guest(command, "d", args));
    EXPECT_EQ(ran.exit, 0) << command << ran.err;
    return text_of(file);
  };
  EXPECT_EQ(run("run", {}), kDebugText);
  EXPECT_EQ(run("record", {"--journal", folder.file("a.ftj")}), kDebugText);
  EXPECT_EQ(run("replay", {folder.file("a.ftj")}), kDebugText);
}

TEST(DebugConsole, WhatIsNoNewFileIsNamed) {
  const Folder folder;
  write_text(folder.file("there"), "kept");
  const auto refused = [&](const std::string& path, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--debug-console", path});
    const Ran ran = run_ftvm(folder, tiny_guest("run", "d", more));
    EXPECT_NE(ran.exit, 0);
    EXPECT_THAT(ran.err, HasSubstr("--debug-console " + path + ": "));
    return ran.err;
  };
  refused(folder.file("none/file"));
  EXPECT_THAT(refused(folder.file("there")), HasSubstr("--overwrite"));
  EXPECT_EQ(text_of(folder.file("there")), "kept");
  EXPECT_THAT(refused("/dev/null", {"--overwrite"}), HasSubstr("no regular file"));
}

using DebugConsoleOfAPair = PairProcesses;

TEST_F(DebugConsoleOfAPair, OnlyTheLiveNodeGivesThemOut) {
  start_primary("d", {"--debug-console", folder_.file("primary.debug")});
  start_backup("d", {"--debug-console", folder_.file("backup.debug")});
  start_client();
  ASSERT_TRUE(client_->prints("ready"));
  // What is typed next comes behind the debug bytes of what was typed before, through one gate.
  client_->type("one.");
  ASSERT_TRUE(client_->prints("one."));
  client_->type("two.");
  ASSERT_TRUE(client_->prints("one.two."));
  EXPECT_THAT(text_of(folder_.file("primary.debug")), StartsWith(kDebugText + "one."s));
  EXPECT_EQ(text_of(folder_.file("backup.debug")), "");
  primary_->signal(SIGKILL);
  client_->type("six.");
  ASSERT_TRUE(client_->prints("one.two.six."));
  client_->type("ten.");
  ASSERT_TRUE(client_->prints("one.two.six.ten."));
  // Nobody confirms debug bytes: at a takeover some may come again, never others.
  const std::string survivor = text_of(folder_.file("backup.debug"));
  EXPECT_THAT(survivor, HasSubstr("six."));
  EXPECT_THAT(kDebugText + "one.two.six.ten."s, HasSubstr(survivor));
}

}  // namespace
}  // namespace ftvm::test
