// The Linux part of the guest corpus: a session at the console of an unmodified kernel, recorded
// once and then made in all the ways a run can be made. Every way must end in the same state, after
// the same number of instructions, with the same transcript.
#include <gmock/gmock.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "tests/cli/boot/boot_test_util.h"

namespace ftvm::test {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using Args = std::vector<std::string>;

constexpr std::uint64_t kInstructionsMin = 2'000'000'000;

// What these programs print on a real machine: docs/testing.md says how to see it.
constexpr const char* kJit = "jit ok e65564ca4f2159b7";
constexpr const char* kSignals = "signals ok 0456752e000e7985";
constexpr const char* kForks = "forks ok 0a424a4118d02946";
constexpr const char* kPressure = "pressure ok 09076d755292d78e";

/// Keeps all processors of the host busy while it lives.
class BusyHost {
 public:
  BusyHost() {
    for (unsigned i = 0; i < std::max(2u, std::thread::hardware_concurrency()); ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) asm volatile("");
      }
      children_.push_back(child);
    }
  }
  ~BusyHost() {
    for (const pid_t child : children_) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
  }
  BusyHost(const BusyHost&) = delete;
  BusyHost& operator=(const BusyHost&) = delete;

 private:
  std::vector<pid_t> children_;
};

class LinuxWays : public Boot {
 protected:
  void record_session(const std::string& name) {
    session_ =
        text_of(std::string(FTVM_TEST_SOURCE_DIR) + "/tests/guest/linux/" + name + ".script");
    transcript_ = record(journal_, session_, kMachine);
    state_ = recorded_state(journal_);
    ASSERT_EQ(state_.size(), 32u) << state_;
    const Ran ran = replay({});
    ASSERT_EQ(ran.exit, 0) << ran.err;
    instructions_ = between(ran.out, "\nreplayed ", " ");
    EXPECT_EQ(console_of(ran), transcript_);
    expect_same_end(ran);
    EXPECT_GE(std::stoull(instructions_), kInstructionsMin);
  }
  void expect_lines(const std::vector<const char*>& lines) {
    for (const char* line : lines) {
      EXPECT_THAT(transcript_, HasSubstr("\n" + std::string(line) + "\r\n"));
    }
    EXPECT_THAT(transcript_, Not(HasSubstr("FAILED"))) << transcript_;
  }
  Ran replay(const Args& way) {
    Args args{"replay", journal_, "--show-console"};
    args.insert(args.end(), way.begin(), way.end());
    return guest(args);
  }
  static std::string console_of(const Ran& ran) {
    return ran.out.substr(0, ran.out.find("\nreplayed ") + 1);
  }
  void expect_same_end(const Ran& ran) {
    EXPECT_EQ(ran.exit, 0) << ran.err << between(ran.out, "\nreplayed ", "\r");
    EXPECT_EQ(state_of(ran), state_);
    EXPECT_EQ(between(ran.out, "\nreplayed ", " "), instructions_);
  }
  void expect_same(const Args& way) {
    SCOPED_TRACE("replay " + ::testing::PrintToString(way));
    const Ran ran = replay(way);
    expect_same_end(ran);
    EXPECT_EQ(console_of(ran), transcript_);
  }
  /// Fresh processes that start at this tick.
  void expect_same_from(std::uint64_t tick, const Args& way) {
    SCOPED_TRACE("from a snapshot at tick " + std::to_string(tick) + " " +
                 ::testing::PrintToString(way));
    const std::string path = folder_.file("middle.fts");
    const Ran taken =
        guest({"snapshot", journal_, "--at", std::to_string(tick), "--out", path, "--overwrite"});
    ASSERT_EQ(taken.exit, 0) << taken.err;
    Args args{"--snapshot", path};
    args.insert(args.end(), way.begin(), way.end());
    const Ran ran = replay(args);
    expect_same_end(ran);
    EXPECT_THAT(transcript_, EndsWith(console_of(ran)));
  }
  /// Where the first key is pressed; what is before is a boot like any other.
  std::uint64_t first_key() {
    const Ran listed = run_ftvm(folder_, {"inspect", "--records", journal_});
    const std::size_t at = listed.out.find(" console_bytes ");
    std::istringstream line(listed.out.substr(listed.out.rfind('\n', at) + 1));
    std::uint64_t number = 0, tick = 0;
    EXPECT_TRUE(line >> number >> tick) << listed.out << listed.err;
    return tick;
  }
  std::uint64_t tick_at_percent(std::uint64_t percent) {
    const Ran inspected = run_ftvm(folder_, {"inspect", "--json", journal_});
    return nlohmann::json::parse(inspected.out)["duration"]["ticks"].get<std::uint64_t>() *
           percent / 100;
  }
  /// On a host with other things to do: the journal again, and live again from the same script.
  void expect_same_on_a_busy_host() {
    SCOPED_TRACE("on a busy host");
    const BusyHost busy;
    expect_same({});
    const std::string again = folder_.file("again.ftj");
    EXPECT_EQ(record(again, session_, kMachine), transcript_);
    const Ran diff = run_ftvm(folder_, {"diff", journal_, again});
    EXPECT_EQ(diff.exit, 0) << diff.out << diff.err;
  }
  const Args kMachine{"--ram", "128"};
  std::string journal_ = folder_.file("session.ftj");
  std::string session_, transcript_, state_, instructions_;
};

TEST_F(LinuxWays, ASessionEndsTheSameHoweverItIsCut) {
  ASSERT_NO_FATAL_FAILURE(record_session("session"));
  expect_lines({kJit, kSignals, kForks, "gzip ok", "tar ok", "traps 100", "ended 137",
                "timeout 143", "harmonic 10.480678217229", "sum 2262443021313",
                "f6351f5ead9a700e34275480b3856ea738122a7c57bdeb744a631251c069587a  -",
                "bb5ffe4fb674749a751e0066bb92dfce  -"});
  expect_same({"--slice-seed", "20231"});
  expect_same_from(first_key(), {"--translation-buffer", "4"});
  expect_same_from(tick_at_percent(80), {});
  expect_same_on_a_busy_host();
}

TEST_F(LinuxWays, ASessionEndsTheSameOnTheOtherEngine) {
  ASSERT_NO_FATAL_FAILURE(record_session("session"));
  expect_same({"--engine", "portable"});
}

// Thousands of times a page whose Accessed bit was cleared is used again while the guest's TLB
// knows it.
TEST_F(LinuxWays, AGuestThatAgesAndSwapsItsPagesEndsTheSameHoweverItIsCut) {
  ASSERT_NO_FATAL_FAILURE(record_session("pressure"));
  expect_lines({kPressure, kJit, "0"});
  expect_same({"--slice-seed", "20233"});
  expect_same_from(first_key(), {"--translation-buffer", "4"});
  expect_same_from(tick_at_percent(60), {});  // With pages in swap.
  expect_same_on_a_busy_host();
}

TEST_F(LinuxWays, AGuestThatAgesAndSwapsItsPagesEndsTheSameOnTheOtherEngine) {
  ASSERT_NO_FATAL_FAILURE(record_session("pressure"));
  expect_same_from(tick_at_percent(60), {"--engine", "portable"});
}

}  // namespace
}  // namespace ftvm::test
