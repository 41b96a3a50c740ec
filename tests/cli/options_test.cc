// What the program says when it is asked for the wrong thing: exit code 2, the option, what to do.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/cli/run_ftvm.h"

namespace ftvm::test {
namespace {

using ::testing::HasSubstr;

TEST(Options, HelpListsEveryCommand) {
  const Folder folder;
  const Ran ran = run_ftvm(folder, {"--help"});
  EXPECT_EQ(ran.exit, 0);
  for (const char* command : {"run", "record", "replay", "snapshot", "inspect", "digest", "diff",
                              "primary", "backup", "console", "ctl", "keygen", "doctor"}) {
    EXPECT_THAT(ran.out, HasSubstr(std::string("\n  ") + command + " "));
  }
}

TEST(Options, ASnapshotNeedsAMomentAndANewFile) {
  const Folder folder;
  Ran ran = run_ftvm(folder, {"snapshot", "--out", folder.file("a.fts")});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, HasSubstr("--at TICK or --when"));
  write_text(folder.file("a.fts"), "precious");
  ran = run_ftvm(folder, {"snapshot", "--at", "5", "--out", folder.file("a.fts")});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, HasSubstr("exists already"));
  EXPECT_EQ(text_of(folder.file("a.fts")), "precious");
}

TEST(Options, AScriptIsRefusedByItsLine) {
  const Folder folder;
  const std::string guest = FTVM_TEST_GUEST_DIR;
  write_text(folder.file("s"), "wait \"x\"\nsend \"unfinished\n");
  const Ran ran =
      run_ftvm(folder, {"run", "--kernel", guest + "/vmlinuz", "--script", folder.file("s")});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, HasSubstr("line 2: the text has no closing quote"));
}

TEST(Options, ASnapshotThatIsNoneIsRefused) {
  const Folder folder;
  const std::string guest = FTVM_TEST_GUEST_DIR;
  write_text(folder.file("s"), "not a snapshot");
  const Ran ran =
      run_ftvm(folder, {"run", "--kernel", guest + "/vmlinuz", "--snapshot", folder.file("s")});
  EXPECT_EQ(ran.exit, 3);
  EXPECT_THAT(ran.err, HasSubstr("--snapshot"));
}

TEST(Doctor, FindsNothingInTheWayHere) {
  const Folder folder;
  const Ran ran = run_ftvm(folder, {"doctor", "--channel", "127.0.0.1:0", "--arbiter",
                                    "file:" + folder.file(""), "--journal", folder.file("j")});
  EXPECT_EQ(ran.exit, 0) << ran.out;
  for (const char* name :
       {"clock", "limits", "memory", "disk", "namespaces", "libunicorn", "engine.accelerated",
        "engine.portable", "libm", "guest.images", "arbiter", "key", "channel"}) {
    EXPECT_THAT(ran.out, HasSubstr(std::string(" ") + name + " "));
  }
}

TEST(Doctor, NamesWhatIsInTheWay) {
  const Folder folder;
  const Ran ran = run_ftvm(folder, {"doctor", "--json", "--channel", "192.0.2.1:7400", "--arbiter",
                                    "file:" + folder.file("none"), "--journal",
                                    folder.file("none/j"), "--kernel", folder.file("none")});
  EXPECT_EQ(ran.exit, 1);
  const auto json = nlohmann::json::parse(ran.out);
  EXPECT_EQ(json["ok"], false);
  std::map<std::string, std::string> verdicts;
  for (const auto& check : json["checks"]) verdicts[check["name"]] = check["verdict"];
  for (const char* name : {"disk", "guest.images", "arbiter", "channel"}) {
    EXPECT_EQ(verdicts[name], "fail") << name;
  }
  EXPECT_EQ(verdicts["engine.portable"], "ok");
}

}  // namespace
}  // namespace ftvm::test
