// Starts that cannot work: images, addresses and storage that are not what they should be, and
// peers of another machine. The message names what, where and, if it can, what to do.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>

#include "devices/host/socket_address.h"
#include "tests/cli/pair_process.h"

namespace ftvm::test {
namespace {

using ::testing::HasSubstr;

TEST(BadImage, IsNamedWithWhatIsWrong) {
  const Folder folder;
  write_text(folder.file("text"), std::string(4096, 'x'));
  write_text(folder.file("cut"), text_of(FTVM_TINY_GUEST).substr(0, 700));
  write_text(folder.file("large"), std::string(60 << 20, '\0'));
  struct Case {
    std::vector<std::string> args;
    int exit;
    const char* says;
  };
  const std::string tiny = FTVM_TINY_GUEST;
  const Case cases[] = {
      {{}, 2, "no kernel given (--kernel FILE)"},
      {{"--kernel", folder.file("none")}, 1, "kernel: open "},
      {{"--kernel", folder.file("")}, 1, "kernel: read "},
      {{"--kernel", folder.file("text")}, 3, "kernel: not a Linux bzImage"},
      {{"--kernel", folder.file("cut")}, 3, "kernel: cut off, 700 of "},
      {{"--kernel", tiny, "--initramfs", folder.file("none")}, 1, "initramfs: open "},
      {{"--kernel", tiny, "--ram", "64", "--initramfs", folder.file("large")},
       3,
       "RAM: 64 MiB is too small; this kernel and initramfs need 78 MiB"},
      {{"--kernel", tiny, "--ram", "16"}, 2, "--ram: Value 16 not in range"},
      {{"--kernel", tiny, "--ram", "-5"}, 2, "--ram"},
      {{"--kernel", tiny, "--ram", "65"}, 2, "multiple of 2 MiB"},
      {{"--kernel", tiny, "--command-line", std::string(3000, 'e')},
       3,
       "command line: longer than this kernel takes"},
  };
  for (const Case& c : cases) {
    std::vector<std::string> args = c.args;
    args.insert(args.begin(), "run");
    const Ran ran = run_ftvm(folder, args);
    EXPECT_EQ(ran.exit, c.exit) << c.says;
    EXPECT_THAT(ran.err, HasSubstr(c.says));
  }
}

TEST(BadOptions, WhatWouldHaveNoEffectIsRefused) {
  const Folder folder;
  write_text(folder.file("good.toml"), "ram = 64\njournal = \"here.ftj\"\n[replay]\n");
  write_text(folder.file("misspelt.toml"), "ram = 64\ndetecton = 1000\n");
  write_text(folder.file("not.toml"), "detection = \"soon\"\n");
  struct Case {
    std::vector<std::string> args;
    int exit;
    const char* says;
  };
  const Case cases[] = {
      {{"--journal", folder.file("x.ftj")}, 2, "--journal does nothing here; it is for record, "},
      {{"--control=" + folder.file("x")}, 2, "--control does nothing here; it is for primary, "},
      {{"--console", "numbered:127.0.0.1:0"}, 2, "only primary and backup number theirs"},
      {{"--config", folder.file("misspelt.toml")}, 2, "detecton"},
      {{"--config", folder.file("not.toml")}, 2, "detection"},
      {{"--config", folder.file("none.toml")}, 2, "none.toml"},
      {{"--config", folder.file("good.toml")}, (5 << 1) | 1, ""},
  };
  for (const Case& c : cases) {
    const Ran ran = run_ftvm(folder, tiny_guest("run", "x", c.args));
    EXPECT_EQ(ran.exit, c.exit) << c.says << ran.err;
    EXPECT_THAT(ran.err, HasSubstr(c.says));
  }
}

/// A TCP port that somebody else listens on, for as long as it lives.
struct TakenPort {
  ScopedFd fd;
  std::string address;
  TakenPort() {
    auto any = *devices::host::parse_socket_address("tcp:127.0.0.1:0");
    fd = std::move(*devices::host::listen_on(any));
    address = "127.0.0.1:" + std::to_string(*devices::host::bound_port(fd.get()));
  }
};

std::vector<std::string> replaced(std::vector<std::string> args, const std::string& from,
                                  const std::string& to) {
  std::replace(args.begin(), args.end(), from, to);
  return args;
}

using BadStart = PairProcesses;

TEST_F(BadStart, AnAddressThatIsTakenIsNamed) {
  const TakenPort taken;
  const auto start = [&](const std::string& channel, const std::vector<std::string>& more) {
    std::vector<std::string> args = tiny_guest(
        "primary", "e", {"--arbiter", "file:" + folder_.file("arbiter"), "--channel", channel});
    args.insert(args.end(), more.begin(), more.end());
    return run_ftvm(folder_, args);
  };
  const std::string free = "ipc://" + folder_.file("other");
  Ran ran = start(taken.address, {"--console", "none"});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.err, HasSubstr("--channel: listen on tcp://" + taken.address));
  EXPECT_THAT(ran.err, HasSubstr("the port is taken"));
  ran = start(free, {"--console", "numbered:" + taken.address});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.err, HasSubstr("--console: listening on tcp:" + taken.address));
  start_primary("e");
  ran = start(free, {"--control", control("primary")});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, HasSubstr("--control: control socket " + control("primary")));
  // The same channel and arbiter as a primary that runs: nothing happens to that one.
  ran = start("ipc://" + folder_.file("channel"), {"--console", "none"});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, HasSubstr("--channel: channel " + folder_.file("channel") +
                                 ": another process listens here"));
  start_backup("e");
  EXPECT_TRUE(until_role("backup", "backup"));
}

TEST_F(BadStart, WhatCannotBeWrittenIsNamedByItsOption) {
  for (const char* option : {"--journal", "--control", "--diag"}) {
    const Ran ran = run_ftvm(
        folder_, tiny_guest("primary", "e", {"--alone", option, folder_.file("none/file")}));
    EXPECT_THAT(ran.exit, ::testing::AnyOf(1, 2)) << option;
    EXPECT_THAT(ran.err, HasSubstr(option));
    EXPECT_THAT(ran.err, HasSubstr(folder_.file("none/file")));
  }
}

TEST_F(BadStart, ABackupOfAnotherMachineIsRefusedByNameAndTheRightOneIsTaken) {
  start_primary("e");
  struct Case {
    std::vector<std::string> args;
    const char* says;
  };
  ASSERT_EQ(::mkdir(folder_.file("elsewhere").c_str(), 0700), 0);
  std::string kernel = text_of(FTVM_TINY_GUEST);
  kernel.back() = static_cast<char>(kernel.back() ^ 1);
  write_text(folder_.file("kernel"), kernel);
  ASSERT_EQ(run_ftvm(folder_,
                     tiny_guest("snapshot", "l",
                                {"--at", "1", "--out", folder_.file("a.fts"), "--clock", "host"}))
                .exit,
            0);
  const Case cases[] = {
      {{"--append", "x"}, "command_line is \"e x\" there and \"e\" here"},
      {{"--initramfs", folder_.file("kernel")}, "initramfs is "},
      {{"--no-reboot"}, "board is "},
      {{"--clock", "virtual"}, "clock is virtual there and host here"},
      {{"--digest-every", "3"}, "digest_every_lines is 3 there and 16 here"},
  };
  for (const Case& c : cases) {
    const Ran ran = run_ftvm(folder_, node("backup", "e", c.args));
    EXPECT_EQ(ran.exit, 5) << c.says;
    EXPECT_THAT(ran.err, HasSubstr(std::string("the primary refused this backup: ") + c.says));
  }
  const std::string here = "file:" + folder_.file("arbiter");
  std::vector<std::string> other =
      replaced(node("backup", "e", {}), here, "file:" + folder_.file("elsewhere"));
  const Ran ran = run_ftvm(folder_, other);
  EXPECT_EQ(ran.exit, 5);
  EXPECT_THAT(ran.err, HasSubstr("arbiter: the backup has file:"));
  other = node("backup", "l", {"--snapshot", folder_.file("a.fts")});
  EXPECT_EQ(run_ftvm(folder_, other).exit, 5) << "one boots, the other does not";

  start_backup("e");
  ASSERT_TRUE(until_role("backup", "backup"));
  other = replaced(node("backup", "e", {}), control("backup"), folder_.file("third.sock"));
  Process third(replaced(other, "numbered:unix:" + console("backup"), "none"));
  EXPECT_EQ(third.wait().exit, 5);
  EXPECT_THAT(third.err(), HasSubstr("this primary already has a backup"));
}

TEST_F(BadStart, WithoutTheArbitersFolderTheGuestWaitsAndStartsByItselfOnceItIsThere) {
  ASSERT_EQ(::rmdir(folder_.file("arbiter").c_str()), 0);
  start_primary("e");
  start_backup("e");
  ASSERT_TRUE(until_role("primary", "joining"));
  ASSERT_TRUE(until("primary", [&](const auto&) {
    return text_of(folder_.file("primary.diag")).find("arbiter.unreachable") != std::string::npos;
  }));
  EXPECT_EQ(status("primary")["tick"], 0);
  ASSERT_EQ(::mkdir(folder_.file("arbiter").c_str(), 0700), 0);
  start_client();
  EXPECT_TRUE(client_->prints("ready"));
}

TEST_F(BadStart, ASurvivorWaitsForTheArbitersStorageAndPutsNothingOut) {
  start_pair("l");
  ASSERT_TRUE(until_role("backup", "backup"));
  ASSERT_EQ(::rename(folder_.file("arbiter").c_str(), folder_.file("away").c_str()), 0);
  primary_->signal(SIGKILL);
  ASSERT_TRUE(until_role("backup", "arbitrating"));
  ASSERT_TRUE(until("backup", [&](const auto&) {
    return text_of(folder_.file("backup.diag")).find("\"unknown\"") != std::string::npos;
  }));
  EXPECT_EQ(status("backup")["outputs_released"], 0);
  ASSERT_EQ(::rename(folder_.file("away").c_str(), folder_.file("arbiter").c_str()), 0);
  ASSERT_TRUE(until_role("backup", "lone"));
  client_->type("q");
  EXPECT_EQ(backup_->wait().exit, 0);
}

}  // namespace
}  // namespace ftvm::test
