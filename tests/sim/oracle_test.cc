// The oracle sees each broken rule, and nothing where there is none.
#include "ftcore/sim/oracle.h"

#include <gtest/gtest.h>

#include <string>

namespace ftvm::ftcore::sim {
namespace {

constexpr Epoch kPair{1}, kSurvivor{2};

Bytes bytes_of(const std::string& text) {
  return {text.begin(), text.end()};
}
/// The rules that were broken, in order.
std::string rules(const Oracle& oracle) {
  std::string text;
  for (const Violation& each : oracle.violations()) {
    text += (text.empty() ? "" : " ") + std::string(rule_name(each.rule));
  }
  return text;
}

TEST(Oracle, HasNothingToSayOfATakeoverThatRepeats) {
  Oracle oracle;
  oracle.released(Side::kPrimary, kPair, 0, bytes_of("hello "), true);
  oracle.arrived(Side::kPrimary, 0, bytes_of("hello "));
  oracle.gone(Side::kPrimary, false);
  oracle.went_live(Side::kBackup, kSurvivor);
  oracle.released(Side::kBackup, kSurvivor, 3, bytes_of("lo world"), true);
  oracle.arrived(Side::kBackup, 3, bytes_of("lo world"));
  EXPECT_EQ(rules(oracle), "");
  EXPECT_EQ(oracle.shown(), 11u);
  EXPECT_EQ(oracle.repeats(), 3u);
  EXPECT_TRUE(oracle.ever_live());
}

TEST(Oracle, SeesAContradiction) {
  Oracle oracle;
  oracle.released(Side::kPrimary, kPair, 0, bytes_of("abc"), true);
  oracle.gone(Side::kPrimary, false);
  oracle.went_live(Side::kBackup, kSurvivor);
  oracle.released(Side::kBackup, kSurvivor, 1, bytes_of("xc"), true);
  EXPECT_EQ(rules(oracle), "one_stream");
}

TEST(Oracle, SeesAGapWhereItLeavesAndWhereItArrives) {
  Oracle oracle;
  oracle.released(Side::kPrimary, kPair, 4, bytes_of("abc"), true);
  EXPECT_EQ(rules(oracle), "one_stream");
  Oracle receiver;
  receiver.released(Side::kPrimary, kPair, 0, bytes_of("abcdef"), true);
  receiver.arrived(Side::kPrimary, 3, bytes_of("def"));
  EXPECT_EQ(rules(receiver), "one_stream");
}

TEST(Oracle, SeesWhatLeavesBeforeItsMarkIsCovered) {
  Oracle oracle;
  oracle.released(Side::kPrimary, kPair, 0, bytes_of("a"), false);
  EXPECT_EQ(rules(oracle), "output_rule");
}

TEST(Oracle, LetsANodeThatIsAloneReleaseWithoutCover) {
  Oracle oracle;
  oracle.went_live(Side::kPrimary, kSurvivor);
  oracle.released(Side::kPrimary, kSurvivor, 0, bytes_of("a"), false);
  EXPECT_EQ(rules(oracle), "");
}

TEST(Oracle, SeesTwoThatLive) {
  Oracle oracle;
  oracle.went_live(Side::kPrimary, kSurvivor);
  oracle.went_live(Side::kBackup, kSurvivor);
  EXPECT_EQ(rules(oracle), "one_live");
}

TEST(Oracle, SeesTwoThatReleaseInOneEpoch) {
  Oracle oracle;
  oracle.released(Side::kPrimary, kPair, 0, bytes_of("a"), true);
  oracle.released(Side::kBackup, kPair, 0, bytes_of("a"), true);
  EXPECT_EQ(rules(oracle), "one_live");
}

TEST(Oracle, SeesAHaltedNodeSpeak) {
  Oracle oracle;
  oracle.gone(Side::kPrimary, true);
  oracle.released(Side::kPrimary, kPair, 0, bytes_of("a"), true);
  EXPECT_EQ(rules(oracle), "halted_is_halted");
}

TEST(Oracle, WhatNobodySaidIsNotInTheStreamHoweverMuchArrived) {
  Oracle oracle;
  oracle.released(Side::kPrimary, kPair, 4, bytes_of("abc"), true);
  oracle.arrived(Side::kPrimary, 4, bytes_of("abc"));
  EXPECT_EQ(oracle.shown(), 7u);
  EXPECT_TRUE(oracle.stream().empty());
}

TEST(Oracle, KeepsABoundedList) {
  Oracle oracle;
  for (int i = 0; i < 1'000; ++i) oracle.violated(Rule::kProgress, "again");
  EXPECT_EQ(oracle.violations().size(), Oracle::kViolationsMax);
}

}  // namespace
}  // namespace ftvm::ftcore::sim
