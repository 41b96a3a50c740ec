// What a campaign goes on from: its own lines, whole ones only, and nobody else's.
#include "ftcore/campaign/state_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "ftcore/campaign/tally_codec.h"
#include "tests/cli/run_ftvm.h"

namespace ftvm::ftcore::campaign {
namespace {

Tally some_tally() {
  Tally tally;
  tally.add(Verdict{.seed = 3,
                    .digest = {{1, 2}},
                    .failed_over = true,
                    .silence_us = 123'456,
                    .events = 99,
                    .met = {sim::FaultKind::kKill, sim::FaultKind::kPause}});
  tally.add(Verdict{.seed = 4, .failure = Failure{4, "progress", "nobody \"serves\"\n"}});
  tally.marks["gate.held"] = 17;
  return tally;
}

TEST(TallyCodec, BringsAllBack) {
  const Tally tally = some_tally();
  const Result<Tally> read = parse_tally(tally_json(tally));
  ASSERT_TRUE(read.has_value()) << read.error().message();
  EXPECT_EQ(read->runs, 2u);
  EXPECT_EQ(read->failovers, 1u);
  EXPECT_EQ(read->events, 99u);
  EXPECT_EQ(read->met, tally.met);
  EXPECT_EQ(read->silences, tally.silences);
  EXPECT_EQ(read->marks, tally.marks);
  EXPECT_EQ(read->failures, tally.failures);
  EXPECT_EQ(read->digest, tally.digest);
}

TEST(TallyCodec, RefusesWhatIsNone) {
  const std::string good = tally_json(some_tally());
  for (const std::string& bad :
       {std::string(), std::string("3"), std::string("{}"), good.substr(0, good.size() - 1),
        std::string(R"({"runs":-1})"), std::string("[") + std::string(100'000, '[')}) {
    const Result<Tally> read = parse_tally(bad);
    ASSERT_FALSE(read.has_value()) << bad.substr(0, 80);
    EXPECT_EQ(read.error().code(), ErrorCode::kBadData);
  }
}

class StateFileTest : public ::testing::Test {
 protected:
  std::string path() const { return folder_.file("blocks"); }
  ftvm::test::Folder folder_;
  const std::string heading_ = state_heading(Plan{}, {2, 3}, false);
};

TEST_F(StateFileTest, GoesOnFromItsWholeLines) {
  {
    auto file = StateFile::create(path(), heading_, false);
    ASSERT_TRUE(file.has_value());
    ASSERT_TRUE(file->append(1, some_tally()).has_value());
    ASSERT_TRUE(file->append(4, some_tally()).has_value());
  }
  const std::string whole = ftvm::test::text_of(path());
  for (std::size_t cut = heading_.size() + 1; cut <= whole.size(); ++cut) {
    ftvm::test::write_text(path(), whole.substr(0, cut));
    std::map<std::uint64_t, Tally> tallies;
    auto file = StateFile::resume(path(), heading_, &tallies);
    ASSERT_TRUE(file.has_value()) << cut << ": " << file.error().message();
    const auto lines =
        std::count(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut), '\n');
    EXPECT_EQ(tallies.size(), static_cast<std::size_t>(lines - 1)) << cut;
    ASSERT_TRUE(file->append(7, some_tally()).has_value());
    tallies.clear();
    ASSERT_TRUE(StateFile::resume(path(), heading_, &tallies).has_value()) << cut;
    EXPECT_TRUE(tallies.contains(7));
  }
}

TEST_F(StateFileTest, DoesNotReplaceOneUnasked) {
  ASSERT_TRUE(StateFile::create(path(), heading_, false).has_value());
  const auto again = StateFile::create(path(), heading_, false);
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code(), ErrorCode::kUsage);
  EXPECT_TRUE(StateFile::create(path(), heading_, true).has_value());
}

TEST_F(StateFileTest, IsOfOneCampaignOnly) {
  ASSERT_TRUE(StateFile::create(path(), heading_, false).has_value());
  Plan other;
  other.seed = 2;
  std::map<std::uint64_t, Tally> tallies;
  for (const std::string& heading :
       {state_heading(other, {2, 3}, false), state_heading(Plan{}, {1, 3}, false),
        state_heading(Plan{}, {2, 3}, true), std::string("else")}) {
    const auto file = StateFile::resume(path(), heading, &tallies);
    ASSERT_FALSE(file.has_value());
    EXPECT_EQ(file.error().code(), ErrorCode::kMismatch);
  }
}

TEST_F(StateFileTest, NamesTheLineThatIsDamaged) {
  const std::string tally = tally_json(some_tally());
  const auto refusal = [&](const std::string& lines) {
    const Result<State> state = parse_state(heading_ + "\n" + lines, heading_);
    return state ? std::string("taken") : state.error().message();
  };
  EXPECT_TRUE(refusal("1 " + tally + "\nrubbish\n").starts_with("line 3: not the line of a block"));
  EXPECT_TRUE(refusal("1 {}\n").starts_with("line 2: not the tally of a campaign"));
  EXPECT_EQ(refusal("1 " + tally + "\n1 " + tally + "\n"), "line 3: block 1 is there twice");
  EXPECT_EQ(parse_state("", heading_).error().message(), "has no heading");
}

}  // namespace
}  // namespace ftvm::ftcore::campaign
