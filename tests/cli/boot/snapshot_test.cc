// A snapshot in the middle of a boot is the machine: what goes on from it is what would have gone
// on, on either engine, console streams included. And no other snapshot passes for it.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/cli/boot/boot_test_util.h"

namespace ftvm::test {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

/// For a guest that stands at its prompt; long enough for a few grid lines.
constexpr const char* kLater = R"(
send "sleep 1; echo 6 times 7 is $((6*7))\n"
wait "6 times 7 is 42"
stop
)";

class Snapshots : public Boot {
 protected:
  /// `ftvm snapshot` in the middle of the journal's ticks.
  void take_half(const std::string& journal, const std::string& path) {
    const Ran inspected = run_ftvm(folder_, {"inspect", "--json", journal});
    const auto ticks =
        nlohmann::json::parse(inspected.out)["duration"]["ticks"].get<std::uint64_t>();
    const Ran ran = guest({"snapshot", journal, "--at", std::to_string(ticks / 2), "--out", path});
    ASSERT_EQ(ran.exit, 0) << ran.err;
  }
  static std::string first_number(const std::string& text) {
    constexpr const char* kDigits = "0123456789";
    const std::size_t from = std::min(text.find_first_of(kDigits), text.size());
    return text.substr(from, text.find_first_not_of(kDigits, from) - from);
  }
  std::string journal_ = folder_.file("boot.ftj");
  std::string half_ = folder_.file("half.fts");
};

TEST_F(Snapshots, AMidRunSnapshotEndsWhereItsRecordingEndsOnBothEngines) {
  const std::string transcript = record(journal_, kSession);
  take_half(journal_, half_);
  const std::string state = recorded_state(journal_);
  for (const char* engine : {"accelerated", "portable"}) {
    const Ran ran = guest({"replay", journal_, "--snapshot", half_, "--engine", engine});
    EXPECT_EQ(ran.exit, 0) << ran.out << ran.err;
    EXPECT_EQ(state_of(ran), state) << engine;
  }
  // Live, with the same session from there on: the rest of what was printed, and the same end.
  const std::string rest = folder_.file("rest.ftj");
  const std::string printed = record(rest, kSession, {"--snapshot", half_});
  EXPECT_THAT(transcript, EndsWith(printed));
  EXPECT_EQ(recorded_state(rest), state);
}

TEST_F(Snapshots, OneTakenByThePortableEngineIsTheSame) {
  record(journal_, kSession);
  take_half(journal_, half_);
  const Ran taken =
      guest({"snapshot", journal_, "--at", first_number(run_ftvm(folder_, {"digest", half_}).out),
             "--out", folder_.file("other.fts"), "--engine", "portable"});
  ASSERT_EQ(taken.exit, 0) << taken.err;
  const Ran diff = run_ftvm(folder_, {"diff", half_, folder_.file("other.fts")});
  EXPECT_EQ(diff.exit, 0) << diff.out << diff.err;
}

TEST_F(Snapshots, ABootedOneIsReadyAtOnceAndNamesWhatStartsFromIt) {
  const std::string booted = folder_.file("booted.fts"), later = folder_.file("later.fts");
  Ran ran = guest({"snapshot", "--when", "guest:", "--out", booted});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  record(journal_, kLater, {"--snapshot", booted});
  ran = guest({"replay", journal_});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, HasSubstr("give that one with --snapshot"));
  ran = guest({"replay", journal_, "--snapshot", booted});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(state_of(ran), recorded_state(journal_));

  // One of another run, of the same machine and not far away, is refused by both names.
  ran = guest({"snapshot", "--snapshot", booted, "--at", "1800000000", "--out", later});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  ran = guest({"replay", journal_, "--snapshot", later});
  EXPECT_EQ(ran.exit, 3);
  EXPECT_THAT(ran.err, HasSubstr("the journal starts at snapshot "));
  EXPECT_THAT(ran.err, HasSubstr("of another run"));
  const Ran diff = run_ftvm(folder_, {"diff", booted, later});
  EXPECT_EQ(diff.exit, 1);
  EXPECT_THAT(diff.out, HasSubstr("RAM differs in "));
}

TEST_F(Snapshots, WhatNeverComesIsGivenUpByName) {
  const std::string path = folder_.file("none.fts");
  const Ran ran = guest({"snapshot", "--when", "no such text", "--give-up", "2", "--out", path});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.err, HasSubstr("never printed \"no such text\" within 2 guest seconds"));
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

TEST_F(Snapshots, InputOffsetsGoOnFromASnapshot) {
  const std::string booted = folder_.file("booted.fts");
  ASSERT_EQ(guest({"snapshot", "--when", "guest:", "--out", booted}).exit, 0);
  record(journal_, kLater, {"--snapshot", booted});
  const Ran taken =
      guest({"snapshot", journal_, "--snapshot", booted, "--at", "1", "--out", half_});
  ASSERT_EQ(taken.exit, 0) << taken.err;
  const std::string typed = between(taken.out, "input ", ",");
  EXPECT_NE(typed, "0") << taken.out;
  const std::string next = folder_.file("next.ftj");
  record(next, "send \"echo again\\n\"\nwait \"again\"\nwait \"again\"\nstop\n",
         {"--snapshot", half_});
  const Ran listed = run_ftvm(folder_, {"inspect", next, "--records"});
  EXPECT_THAT(listed.out, HasSubstr("at offset " + typed + ", \"echo again\\n\""));
  EXPECT_EQ(guest({"replay", next, "--snapshot", half_}).exit, 0);
}

}  // namespace
}  // namespace ftvm::test
