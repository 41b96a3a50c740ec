// Differences of journals and of machines.
#include <gtest/gtest.h>

#include "ftcore/cli/journal_diff.h"
#include "ftcore/cli/snapshot_diff.h"
#include "tests/unit/replay/replay_test_util.h"

namespace ftvm::cli {
namespace {

using replay::Record;
using replay::VectorSource;

std::optional<Difference> diff(const std::vector<Record>& left, const std::vector<Record>& right) {
  VectorSource ours(left), theirs(right);
  const auto difference = first_record_difference(ours, theirs);
  EXPECT_TRUE(difference);
  return *difference;
}

TEST(JournalDiff, FindsAnyChangeOfAnyRecord) {
  const std::vector<Record> records = replay::one_of_each();
  EXPECT_FALSE(diff(records, records));
  for (std::size_t i = 0; i < records.size(); ++i) {
    std::vector<Record> later = records;
    ++later[i].at.value;
    const auto difference = diff(records, later);
    ASSERT_TRUE(difference) << i;
    EXPECT_EQ(difference->where.find("record " + std::to_string(i + 1) + " at"), 0u);
    EXPECT_NE(difference->left, difference->right);
  }
}

TEST(JournalDiff, APrefixIsADifference) {
  std::vector<Record> shorter = replay::one_of_each();
  shorter.pop_back();
  const auto difference = diff(shorter, replay::one_of_each());
  ASSERT_TRUE(difference);
  EXPECT_EQ(difference->left, "nothing: the journal ends before");
  EXPECT_NE(difference->right.find("power_off"), std::string::npos);
}

TEST(JournalDiff, HeadersAreComparedWithoutTheNameOfTheRun) {
  replay::JournalHeader left = replay::some_header(), right = left;
  right.run_id = {};
  EXPECT_TRUE(header_differences(left, right).empty());
  right.identity.command_line += " quiet";
  right.identity.clock = replay::ClockMode::kVirtual;
  right.start = {1};
  right.start_snapshot = Digest{{1, 1}};
  const auto differences = header_differences(left, right);
  ASSERT_EQ(differences.size(), 3u);
  EXPECT_EQ(differences[0].where, "command_line");
  EXPECT_EQ(differences[1].where, "clock");
  EXPECT_EQ(differences[2].where, "start");
}

TEST(SnapshotDiff, NamesFieldsAndSaysWhereListsPart) {
  const std::vector<StatePrinter::Line> left{
      {"cpu.rip", "1"}, {"pit.count", "2"}, {"uart0.ier", "3"}};
  std::vector<StatePrinter::Line> right = left;
  EXPECT_TRUE(field_differences(left, right).empty());
  right[1].value = "9";
  ASSERT_EQ(field_differences(left, right).size(), 1u);
  EXPECT_EQ(field_differences(left, right)[0].where, "pit.count");
  right[2].name = "uart1.ier";
  ASSERT_EQ(field_differences(left, right).size(), 2u);
  EXPECT_EQ(field_differences(left, right)[1].where, "field 2");
  right.pop_back();
  EXPECT_EQ(field_differences(left, right)[1].right, "nothing");
}

TEST(SnapshotDiff, CountsPagesThatOnlyOneHas) {
  const std::vector<Digest> left{{{1, 1}}, {{2, 2}}, {{3, 3}}};
  const std::vector<Digest> right{{{1, 1}}, {{2, 0}}};
  EXPECT_EQ(page_differences(left, right), (std::vector<std::uint64_t>{1, 2}));
  EXPECT_TRUE(page_differences(left, left).empty());
}

}  // namespace
}  // namespace ftvm::cli
