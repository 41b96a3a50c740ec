// Runs by a program of the user's: what it is told, how long it may take, and what its end means.
#include "ftcore/campaign/program_run.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "emulator/base/scoped_fd.h"
#include "tests/cli/run_ftvm.h"

namespace ftvm::ftcore::campaign {
namespace {

class ProgramRun : public ::testing::Test {
 protected:
  Verdict run(const std::string& script, std::int64_t seconds_max = 60) {
    Plan plan;
    plan.program = ProgramSpec{
        .command = {"/bin/sh", "-c", script}, .cases = {"one"}, .seconds_max = seconds_max};
    return execute_program(plan, 42, place_);
  }
  [[nodiscard]] bool kept(const std::string& name) const {
    return ::access((place_.shared + "/" + name).c_str(), F_OK) == 0;
  }

  ftvm::test::Folder folder_;
  ProgramPlace place_{.ftvm = "/bin/ftvm", .shared = folder_.file("")};
};

TEST_F(ProgramRun, PassesWithExitCodeZeroAndLeavesNothing) {
  const Verdict verdict = run("echo all is well");
  EXPECT_FALSE(verdict.failure.has_value());
  EXPECT_FALSE(verdict.skipped);
  EXPECT_EQ(verdict.name, "one");
  EXPECT_FALSE(kept("run-42"));
}

TEST_F(ProgramRun, FailsWithAnyOtherAndKeepsWhatItSaid) {
  const Verdict verdict = run("echo first; echo the chain is broken >&2; exit 3");
  ASSERT_TRUE(verdict.failure.has_value());
  EXPECT_EQ(*verdict.failure, (Failure{42, "program", "one: exit code 3: the chain is broken"}));
  EXPECT_EQ(ftvm::test::text_of(place_.shared + "/run-42/output"), "first\nthe chain is broken\n");
}

TEST_F(ProgramRun, MayBeSkipped) {
  const Verdict verdict = run("exit 77");
  EXPECT_TRUE(verdict.skipped);
  EXPECT_FALSE(verdict.failure.has_value());
}

TEST_F(ProgramRun, ASignalIsAFailure) {
  const Verdict verdict = run("kill -SEGV $$");
  ASSERT_TRUE(verdict.failure.has_value());
  EXPECT_EQ(verdict.failure->what, "one: exit code 139: ");
}

TEST_F(ProgramRun, SaysHowLongTheFailoverTook) {
  const Verdict verdict = run("echo chain whole, silence_ms=210");
  EXPECT_TRUE(verdict.failed_over);
  EXPECT_EQ(verdict.silence_us, 210'000);
  EXPECT_FALSE(run("echo silence_ms=").failed_over);
  EXPECT_FALSE(run("echo silence_ms=-5").failed_over);
}

TEST_F(ProgramRun, OneThatDoesNotEndIsKilledWithAllItStarted) {
  const Verdict verdict = run("sleep 1000 & echo $!; sleep 1000", 1);
  ASSERT_TRUE(verdict.failure.has_value());
  EXPECT_EQ(verdict.failure->rule, kEndsRule);
  const pid_t left = std::stoi(ftvm::test::text_of(place_.shared + "/run-42/output"));
  // It was told to die, and does so in its own time; the limit only ends a broken test.
  const ScopedFd process(static_cast<int>(::syscall(SYS_pidfd_open, left, 0)));
  pollfd ends{process.get(), POLLIN, 0};
  EXPECT_TRUE(!process || ::poll(&ends, 1, 20'000) == 1) << left;
}

TEST_F(ProgramRun, OneThatCannotBeStartedSaysSo) {
  Plan plan;
  plan.program = ProgramSpec{.command = {"/no/such/program"}};
  const Verdict verdict = execute_program(plan, 42, place_);
  ASSERT_TRUE(verdict.failure.has_value());
  EXPECT_NE(verdict.failure->what.find("/no/such/program: cannot be started"), std::string::npos)
      << verdict.failure->what;
}

TEST_F(ProgramRun, WordsAreFilledIn) {
  const auto filled = [&](const std::string& text) {
    return filled_in(text, 7, "kill", "/f", place_);
  };
  EXPECT_EQ(filled("{seed}-{case}"), "7-kill");
  EXPECT_EQ(filled("{folder}/x {ftvm}"), "/f/x /bin/ftvm");
  EXPECT_EQ(filled("{shared}"), place_.shared);
  EXPECT_EQ(filled("{nothing} {seed"), "{nothing} {seed");
  EXPECT_EQ(filled_in("{case}", 7, "{seed}", "", place_), "{seed}");
}

}  // namespace
}  // namespace ftvm::ftcore::campaign
