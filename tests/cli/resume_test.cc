// What a guest's clock does when it goes on from a snapshot: it catches up with the host if it
// showed the host's time before, and never jumps otherwise.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/cli/process.h"

namespace ftvm::test {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

class Resumed : public ::testing::Test {
 protected:
  /// A guest that is behind its host has 50,000 ticks to a line, so that these are a grid line even
  /// then (100 Hz; devices/host/host_clock.cc: at most 200 ns a tick). Otherwise a million.
  static constexpr int kLinesOfAGridLine = 350;
  static constexpr int kSomeLines = 60;

  /// A snapshot a little later, of a machine that starts from `from` (empty: power-on).
  std::string take(const std::string& name, const std::string& from,
                   std::vector<std::string> more) {
    std::vector<std::string> args =
        tiny_guest("snapshot", "l", {"--when", "line 0000", "--out", folder_.file(name)});
    if (!from.empty()) args.insert(args.end(), {"--snapshot", from});
    args.insert(args.end(), more.begin(), more.end());
    const Ran ran = run_ftvm(folder_, args);
    EXPECT_EQ(ran.exit, 0) << ran.err;
    return folder_.file(name);
  }
  std::string record(const std::string& name, const std::string& from,
                     std::vector<std::string> more, int lines = kSomeLines) {
    std::string script;
    for (int i = 0; i < lines; ++i) script += "wait \"line \"\n";
    write_text(folder_.file("stop"), script + "stop\n");
    std::vector<std::string> args =
        tiny_guest("record", "l",
                   {"--snapshot", from, "--script", folder_.file("stop"), "--journal",
                    folder_.file(name), "--console", "none"});
    args.insert(args.end(), more.begin(), more.end());
    EXPECT_EQ(run_ftvm(folder_, args).exit, 0);
    return folder_.file(name);
  }
  /// Guest time of the journal's first ClockSync.
  std::uint64_t first_sync_ns(const std::string& journal) {
    const Ran listed = run_ftvm(folder_, {"inspect", journal, "--records"});
    return std::strtoull(between(listed.out, "clock, base ", " ns").c_str(), nullptr, 10);
  }
  std::string clock_of(const std::string& snapshot) {
    const std::string text = run_ftvm(folder_, {"inspect", snapshot}).out;
    return between(text, "\nclock               ", "\n");
  }
  Folder folder_;
};

TEST_F(Resumed, AVirtualClockGoesOnFromWhereItStoodHoweverOftenItIsResumed) {
  const std::string first = take("a.fts", "", {});
  EXPECT_EQ(clock_of(first), "virtual");
  const std::string second = take("b.fts", first, {"--clock", "host"});
  EXPECT_EQ(clock_of(second), "virtual") << "its time of day is still its own";
  const std::string journal = record("b.ftj", second, {"--clock", "host"}, kLinesOfAGridLine);
  EXPECT_LT(first_sync_ns(journal), 3600 * kNsPerSecond);
  // And through a journal.
  const Ran ran = run_ftvm(folder_, tiny_guest("snapshot", "l",
                                               {journal, "--snapshot", second, "--at", "1", "--out",
                                                folder_.file("c.fts")}));
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(clock_of(folder_.file("c.fts")), "virtual");
  EXPECT_LT(first_sync_ns(record("c.ftj", folder_.file("c.fts"), {"--clock", "host"})),
            3600 * kNsPerSecond);
}

TEST_F(Resumed, AGivenTimeOfDayIsItsOwn) {
  const std::vector<std::string> options{"--clock", "host", "--rtc", "1000000000"};
  const std::string snapshot = take("a.fts", "", options);
  EXPECT_LT(first_sync_ns(record("a.ftj", snapshot, options)), 3600 * kNsPerSecond);
  EXPECT_LT(first_sync_ns(record("b.ftj", snapshot, {"--clock", "host"})), 3600 * kNsPerSecond);
}

TEST_F(Resumed, AGuestOfTheHostsTimeCatchesUp) {
  const std::string snapshot = take("a.fts", "", {"--clock", "host"});
  EXPECT_EQ(clock_of(snapshot), "host");
  const std::uint64_t before = first_sync_ns(record("a.ftj", snapshot, {"--clock", "host"}));
  constexpr int kPassedMs = 1'100;
  ::poll(nullptr, 0, kPassedMs);
  const std::uint64_t after = first_sync_ns(record("b.ftj", snapshot, {"--clock", "host"}));
  EXPECT_GE(after, before + kPassedMs / 2 * 1'000'000ull);
  EXPECT_LT(after, before + 3600 * kNsPerSecond);
}

}  // namespace
}  // namespace ftvm::test
