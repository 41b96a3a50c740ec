// Pairs of real processes with a guest that is ready at once: what their users see.
#include <gmock/gmock.h>

#include <ctime>
#include <iomanip>
#include <sstream>

#include "tests/cli/pair_process.h"

namespace ftvm::test {
namespace {

using ::testing::HasSubstr;

using CliPair = PairProcesses;

TEST_F(CliPair, TheConsoleGoesOnWhenThePrimaryIsKilled) {
  start_pair("e");
  client_->type("one.");
  ASSERT_TRUE(client_->prints("one."));
  ASSERT_TRUE(until_role("backup", "backup"));
  primary_->signal(SIGKILL);
  client_->type("two.");
  ASSERT_TRUE(client_->prints("one.two."));
  client_->type("q");
  const Ran backup = backup_->wait();
  EXPECT_EQ(backup.exit, 0) << backup.err;
  EXPECT_THAT(backup.err, HasSubstr("backup ended: power_off"));
  EXPECT_EQ(primary_->wait().exit, 128 + SIGKILL);
}

/// Minutes since 1970 as the guest prints its time of day: century to minute, ten digits.
std::int64_t minutes_of(const std::string& printed) {
  std::tm time{};
  std::istringstream(printed) >> std::get_time(&time, "%Y%m%d%H%M");
  return ::timegm(&time) / 60;
}

TEST_F(CliPair, BootsWithTheTimeOfDayOfThePrimarysHost) {
  const std::int64_t before = ::time(nullptr) / 60;
  start_pair("t");
  ASSERT_TRUE(client_->prints("ready\n20"));
  client_->type("q");
  EXPECT_EQ(primary_->wait().exit, 0);
  EXPECT_EQ(backup_->wait().exit, 0) << backup_->err();
  const std::int64_t shown = minutes_of(between(client_->wait().out, "ready\n", "\n"));
  EXPECT_GE(shown, before);
  EXPECT_LE(shown, ::time(nullptr) / 60);
}

TEST_F(CliPair, WhatItWaitedForItsBackupIsMadeUpFor) {
  const std::string journal = folder_.file("primary.ftj");
  start_primary("p", {"--journal", journal});
  constexpr int kWaitedMs = 400;  // More than what is slewed.
  ::poll(nullptr, 0, kWaitedMs);
  start_backup("p");
  EXPECT_EQ(primary_->wait().exit, 0);
  const Ran listed = run_ftvm(folder_, {"inspect", journal, "--records", "--json"});
  const std::string first = between(listed.out, "base ", " ns");
  EXPECT_GE(std::strtoull(first.c_str(), nullptr, 10), kWaitedMs * 1'000'000ull) << listed.out;
}

TEST_F(CliPair, ABackupsJournalHasTheTimeOfDayItTook) {
  const std::string journal = folder_.file("backup.ftj");
  start_primary("t");
  backup_ = std::make_unique<Process>(node("backup", "t", {"--journal", journal}));
  ASSERT_TRUE(backup_->complains("backup: channel"));
  start_client();
  ASSERT_TRUE(client_->prints("ready\n20"));
  ASSERT_TRUE(until_role("backup", "backup"));
  primary_->signal(SIGKILL);
  client_->type("xq");
  EXPECT_EQ(backup_->wait().exit, 0) << backup_->err();
  const Ran replay = run_ftvm(folder_, tiny_guest("replay", "t", {journal}));
  EXPECT_EQ(replay.exit, 0) << replay.out << replay.err;
  EXPECT_THAT(backup_->err(), HasSubstr(between(replay.out, "state ", "\n")));
}

TEST_F(CliPair, AGivenTimeOfDayCountsOnThePrimaryAndIsRefusedOnABackupThatDiffers) {
  start_primary("t", {"--rtc", "1700000000"});
  Process other(node("backup", "t", {"--rtc", "1700000001"}));
  const Ran refused = other.wait();
  EXPECT_EQ(refused.exit, 5);
  EXPECT_THAT(refused.err, HasSubstr("boot_unix_s is 1700000001 there and 1700000000 here"));
  start_backup("t");
  start_client();
  EXPECT_TRUE(client_->prints("ready\n202311142213\n"));
}

TEST_F(CliPair, ABackupThatIsStoppedWhileItWaitsForThePrimaryLeaves) {
  start_backup("t", {"--journal", folder_.file("j")});
  backup_->signal(SIGTERM);
  const Ran left = backup_->wait();
  EXPECT_EQ(left.exit, 0);
  EXPECT_THAT(left.err, HasSubstr("left the pair"));
}

TEST_F(CliPair, TwoPairsMayShareAnArbitersFolder) {
  start_pair("e");
  ASSERT_TRUE(until_role("backup", "backup"));
  // The other pair: every socket of its own, the same folder.
  const auto other = [&](const std::string& role) {
    return tiny_guest(role, "e",
                      {"--channel", "ipc://" + folder_.file("channel2"), "--arbiter",
                       "file:" + folder_.file("arbiter"), "--console", "none", "--control",
                       control(role + "2"), "--detection", "1000"});
  };
  Process primary(other("primary"));
  ASSERT_TRUE(primary.complains("primary: channel"));
  Process backup(other("backup"));
  ASSERT_TRUE(until_role("backup2", "backup"));
  primary.signal(SIGKILL);
  ASSERT_TRUE(until_role("backup2", "lone"));
  EXPECT_EQ(status("primary")["role"], "primary");
  primary_->signal(SIGKILL);
  ASSERT_TRUE(until_role("backup", "lone"));
  EXPECT_EQ(status("backup")["epoch"], 2);
  EXPECT_EQ(status("backup2")["epoch"], 2);
  EXPECT_TRUE(ctl("backup2", "stop"));
  EXPECT_EQ(backup.wait().exit, 0);
  client_->type("q");
  EXPECT_EQ(backup_->wait().exit, 0);
}

TEST_F(CliPair, WhatTheClientHasShownTheBackupForgets) {
  start_pair("l");
  const auto kept = [](const nlohmann::json& status) {
    return status["outputs_forgotten"] > 20 && status["outputs_held"] < 20;
  };
  ASSERT_TRUE(until("backup", kept));
  EXPECT_GT(status("backup")["confirmed"], 20);
  EXPECT_EQ(status("primary")["outputs_forgotten"], 0) << "a primary forgets nothing";

  // With nobody to confirm them the outputs are kept: a takeover repeats them.
  client_->signal(SIGTERM);
  client_->wait();
  const auto held = [](int count) {
    return [count](const nlohmann::json& status) { return status["outputs_held"] > count; };
  };
  ASSERT_TRUE(until("backup", held(20)));
  const auto confirmed = status("primary")["confirmed"];
  ASSERT_TRUE(until("backup", held(60)));
  EXPECT_EQ(status("primary")["confirmed"], confirmed);
  primary_->signal(SIGKILL);
  ASSERT_TRUE(until_role("backup", "lone"));
  EXPECT_GT(status("backup")["outputs_released"], 60);
  start_client();
  ASSERT_TRUE(client_->prints("line 00000001\n")) << "the ring still has it all";
  client_->type("q");
  EXPECT_EQ(backup_->wait().exit, 0);
}

}  // namespace
}  // namespace ftvm::test
