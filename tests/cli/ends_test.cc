// How runs end: what a command prints, its exit code, and what its journal says afterwards.
#include <gmock/gmock.h>

#include "tests/cli/pair_process.h"

namespace ftvm::test {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Ends : public PairProcesses {
 protected:
  /// The journal replays to its end, which is `reason`, and to the state that `err` names.
  void expect_journal(const std::string& journal, const std::string& mode,
                      const std::string& reason, const std::string& err) {
    const Ran ran = run_ftvm(folder_, tiny_guest("replay", mode, {journal}));
    EXPECT_EQ(ran.exit, 0) << ran.out << ran.err;
    EXPECT_THAT(ran.out, Not(HasSubstr("journal: "))) << "torn, or without an end";
    const std::string state = between(ran.out, "state ", "\n");
    EXPECT_THAT(err, HasSubstr(state));
    const Ran listed = run_ftvm(folder_, {"inspect", journal, "--records"});
    EXPECT_THAT(listed.out, HasSubstr("end           " + reason + ", digest " + state));
  }
  [[nodiscard]] std::string journal(const std::string& role) const {
    return folder_.file(role + ".ftj");
  }
  std::vector<std::string> journalled(const std::string& role) const {
    return {"--journal", journal(role)};
  }
  void type_one_into_a_pair() {
    start_primary("e", journalled("primary"));
    start_backup("e", journalled("backup"));
    start_client();
    client_->type("one.");
    ASSERT_TRUE(client_->prints("one."));
    ASSERT_TRUE(until_role("backup", "backup"));
  }
};

TEST_F(Ends, ASignalEndsARunCleanly) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    Process run(tiny_guest("run", "l"));
    ASSERT_TRUE(run.prints("line 00000001"));
    run.signal(signal);
    EXPECT_EQ(run.wait().exit, 0) << run.err();
  }
}

TEST_F(Ends, ARecordingThatIsInterruptedHasItsEnd) {
  Process record(tiny_guest("record", "l", {"--journal", journal("a")}));
  ASSERT_TRUE(record.prints("line 00000001"));
  record.signal(SIGINT);
  EXPECT_EQ(record.wait().exit, 0) << record.err();
  const Ran digest = run_ftvm(folder_, {"digest", journal("a")});
  expect_journal(journal("a"), "l", "stopped", digest.out);
}

TEST_F(Ends, ASnapshotThatIsInterruptedIsNotTakenAndSaysSo) {
  Process snapshot(tiny_guest("snapshot", "f",
                              {"--when", "never", "--give-up", "1000000", "--out",
                               folder_.file("a.fts"), "--console", "stdio"}));
  ASSERT_TRUE(snapshot.prints("line 00000001"));
  snapshot.signal(SIGINT);
  const Ran ran = snapshot.wait();
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.err, HasSubstr("the run ended (stopped)"));
  EXPECT_NE(::access(folder_.file("a.fts").c_str(), F_OK), 0);
}

TEST_F(Ends, AHaltedGuestIsSwitchedOffOrStuckAndNoError) {
  start_primary("e", {"--alone", "--journal", journal("primary")});
  start_client();
  ASSERT_TRUE(client_->prints("ready"));
  client_->type("h");
  const Ran ran = primary_->wait();
  EXPECT_EQ(ran.exit, 0);
  constexpr const char* kText =
      "deadlock (the guest halted with interrupts off: switched off, or stuck)";
  EXPECT_THAT(ran.err, HasSubstr(std::string("primary ended: ") + kText + " at tick "));
  const Ran client = client_->wait();
  EXPECT_EQ(client.exit, 0);
  EXPECT_THAT(client.err, HasSubstr(std::string("[the machine has ended: ") + kText + "]"));
  expect_journal(journal("primary"), "e", "deadlock", ran.err);
}

TEST_F(Ends, AGuestChoosesTheExitCode) {
  const Ran ran = run_ftvm(folder_, tiny_guest("run", "x"));
  EXPECT_EQ(ran.exit, (5 << 1) | 1);
}

TEST_F(Ends, APrimaryAloneObeysItsControlSocket) {
  start_primary("e", {"--alone", "--journal", journal("primary")});
  start_client();
  ASSERT_TRUE(client_->prints("ready"));
  const auto before = status("primary");
  EXPECT_EQ(before["role"], "lone");
  EXPECT_EQ(before["epoch"], 0);
  client_->type("typed.");
  ASSERT_TRUE(client_->prints("typed."));
  const auto failover = ctl("primary", "failover");
  ASSERT_FALSE(failover);
  EXPECT_THAT(failover.error().message(), HasSubstr("no backup in sync"));
  EXPECT_TRUE(ctl("primary", "pause"));
  ASSERT_TRUE(until("primary", [](const auto& status) { return status["paused"] == true; }));
  EXPECT_TRUE(ctl("primary", "resume"));
  client_->type("again.");
  ASSERT_TRUE(client_->prints("typed.again."));
  EXPECT_TRUE(ctl("primary", "stop"));
  const Ran ran = primary_->wait();
  EXPECT_EQ(ran.exit, 0);
  EXPECT_THAT(ran.err, HasSubstr("primary ended: stopped"));
  expect_journal(journal("primary"), "e", "stopped", ran.err);
}

TEST_F(Ends, ABackupIsPausedOnlyOnceItIsLive) {
  start_primary("e");
  start_backup("e");
  start_client();
  ASSERT_TRUE(client_->prints("ready"));
  for (const char* command : {"pause", "resume"}) {
    const auto refused = ctl("backup", command);
    ASSERT_FALSE(refused) << command;
    EXPECT_THAT(refused.error().message(), HasSubstr("not live"));
  }
  primary_->signal(SIGKILL);
  client_->type("typed.");
  ASSERT_TRUE(client_->prints("typed."));
  EXPECT_TRUE(ctl("backup", "pause"));
  ASSERT_TRUE(until("backup", [](const auto& status) { return status["paused"] == true; }));
  EXPECT_TRUE(ctl("backup", "resume"));
  client_->type("again.");
  ASSERT_TRUE(client_->prints("typed.again."));
}

TEST_F(Ends, ABackupAloneIsAUsageError) {
  const Ran ran = run_ftvm(folder_, node("backup", "e", {"--alone"}));
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, HasSubstr("--alone"));
}

TEST_F(Ends, APairThatIsInterruptedEndsOnBothSidesWithTheSameEnd) {
  start_primary("e", journalled("primary"));
  start_backup("e", journalled("backup"));
  start_client();
  ASSERT_TRUE(client_->prints("ready"));
  primary_->signal(SIGINT);
  const Ran primary = primary_->wait(), backup = backup_->wait();
  EXPECT_EQ(primary.exit, 0);
  EXPECT_EQ(backup.exit, 0);
  EXPECT_EQ(between(primary.err, "primary ended: ", "\n"),
            between(backup.err, "backup ended: ", "\n"));
  expect_journal(journal("primary"), "e", "stopped", primary.err);
  expect_journal(journal("backup"), "e", "stopped", backup.err);
  EXPECT_EQ(client_->wait().exit, 0);
}

TEST_F(Ends, APrimaryThatIsInterruptedWhileItWaitsEnds) {
  start_primary("e", journalled("primary"));
  primary_->signal(SIGTERM);
  const Ran ran = primary_->wait();
  EXPECT_EQ(ran.exit, 0);
  EXPECT_THAT(ran.err, HasSubstr("primary ended: stopped at tick 0"));
  expect_journal(journal("primary"), "e", "stopped", ran.err);
}

TEST_F(Ends, WhoOutlivesTheOtherHasAJournalOfTheWholeRun) {
  ASSERT_NO_FATAL_FAILURE(type_one_into_a_pair());
  backup_->signal(SIGTERM);
  EXPECT_EQ(backup_->wait().exit, 0);
  ASSERT_TRUE(until_role("primary", "lone"));
  client_->type("two.");
  ASSERT_TRUE(client_->prints("one.two."));
  primary_->signal(SIGTERM);
  const Ran primary = primary_->wait();
  EXPECT_EQ(primary.exit, 0);
  expect_journal(journal("primary"), "e", "stopped", primary.err);
  const Ran listed = run_ftvm(folder_, {"inspect", journal("primary"), "--records"});
  EXPECT_THAT(listed.out, HasSubstr("alone"));
}

TEST_F(Ends, ASurvivorsJournalGoesThroughTheTakeoverAndTheDeadOnesIsGoodAsFarAsItGoes) {
  ASSERT_NO_FATAL_FAILURE(type_one_into_a_pair());
  primary_->signal(SIGKILL);
  client_->type("two.");
  ASSERT_TRUE(client_->prints("one.two."));
  backup_->signal(SIGINT);
  const Ran backup = backup_->wait();
  EXPECT_EQ(backup.exit, 0);
  expect_journal(journal("backup"), "e", "stopped", backup.err);
  const Ran dead = run_ftvm(folder_, tiny_guest("replay", "e", {journal("primary")}));
  EXPECT_EQ(dead.exit, 0) << dead.err;
  EXPECT_THAT(dead.out, AnyOf(HasSubstr("journal: no end"), HasSubstr("journal: torn")));
}

TEST_F(Ends, ASecondSignalDoesNotWaitForTheFirst) {
  start_primary("e");
  // Nobody acknowledges the end while the backup is stopped, so the first signal is obeyed late.
  start_backup("e");
  ASSERT_TRUE(until_role("backup", "backup"));
  backup_->signal(SIGSTOP);
  primary_->signal(SIGTERM);
  ASSERT_TRUE(until_role("primary", "ending"));
  primary_->signal(SIGTERM);
  EXPECT_EQ(primary_->wait().exit, 128 + SIGTERM);
  backup_->signal(SIGCONT);
}

}  // namespace
}  // namespace ftvm::test
