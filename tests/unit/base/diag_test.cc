// Diagnostics: the exact bytes of lines, and where they go.
#include "emulator/base/diag.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "emulator/base/scoped_fd.h"

namespace ftvm {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

/// Collects lines, and puts the configuration of the process back afterwards.
class Diag : public ::testing::Test {
 protected:
  Diag() {
    diag_configure(-1, DiagLevel::kInfo, "a");
    diag_observe([this](DiagLevel, std::string_view line) { lines_.emplace_back(line); });
  }
  ~Diag() override {
    diag_observe(nullptr);
    diag_configure(-1, DiagLevel::kInfo, "");
  }
  /// The line of one event with the value under "v", from that key on.
  std::string value_of(std::string_view value) {
    lines_.clear();
    FTVM_DIAG(kInfo, "x.y").kv("v", value);
    return lines_.at(0).substr(lines_.at(0).find("\"v\":") + 4);
  }
  std::vector<std::string> lines_;
};

TEST_F(Diag, IsOneJsonObjectWithLevelEventNodeAndKeysInOrder) {
  FTVM_DIAG(kWarn, "failover.begin").kv("epoch", 3u).kv("who", "backup").kv("won", true);
  EXPECT_THAT(lines_, ElementsAre("{\"level\":\"warn\",\"event\":\"failover.begin\",\"node\":\"a\","
                                  "\"epoch\":3,\"who\":\"backup\",\"won\":true}"));
}

TEST_F(Diag, PrintsTheWholeRangeOfIntegers) {
  FTVM_DIAG(kInfo, "x.y")
      .kv("u64", std::numeric_limits<std::uint64_t>::max())
      .kv("i64", std::numeric_limits<std::int64_t>::min())
      .kv("u8", std::uint8_t{255})
      .kv("no", false);
  EXPECT_THAT(lines_.at(0), EndsWith("\"u64\":18446744073709551615,\"i64\":-9223372036854775808,"
                                     "\"u8\":255,\"no\":false}"));
}

TEST_F(Diag, EscapesQuotesBackslashesAndControlCharacters) {
  EXPECT_EQ(value_of("a\"b\\c"), "\"a\\\"b\\\\c\"}");
  EXPECT_EQ(value_of("\n\t\x1b\x7f"), "\"\\u000a\\u0009\\u001b\\u007f\"}");
  EXPECT_EQ(value_of(std::string_view("\0", 1)), "\"\\u0000\"}");
}

TEST_F(Diag, PassesWellFormedUtf8Through) {
  const std::string text = "\u00e4 \u4e3b\u4ece \U0001f680 \U0010ffff";
  EXPECT_EQ(value_of(text), "\"" + text + "\"}");
}

TEST_F(Diag, ReplacesEachByteThatIsNotUtf8) {
  EXPECT_EQ(value_of("a\xff\x62"), "\"a\\ufffdb\"}");
  EXPECT_EQ(value_of("\xc0\xaf"), "\"\\ufffd\\ufffd\"}");             // Overlong '/'.
  EXPECT_EQ(value_of("\xe0\x9f\xbf"), "\"\\ufffd\\ufffd\\ufffd\"}");  // Overlong, 3 bytes.
  EXPECT_EQ(value_of("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"}");  // A surrogate.
  EXPECT_EQ(value_of("\xf4\x90\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\"}");  // U+110000.
  EXPECT_EQ(value_of("\xe4\xb8"), "\"\\ufffd\\ufffd\"}");                        // Cut short.
  EXPECT_EQ(value_of("\xe4\x62"), "\"\\ufffdb\"}");
  EXPECT_EQ(value_of("\xe4\xb8\x62"), "\"\\ufffd\\ufffdb\"}");
}

TEST_F(Diag, CutsALongValueBetweenCharactersAndSaysSo) {
  std::string text;
  while (text.size() < 2 * kDiagLineBytesMax) text += "\u4e3b";
  FTVM_DIAG(kInfo, "x.y").kv("v", text).kv("after", 1).kv("later", "text");
  const std::string& line = lines_.at(0);
  EXPECT_LT(line.size(), kDiagLineBytesMax);
  EXPECT_GT(line.size(), kDiagLineBytesMax - 32);
  EXPECT_THAT(line, EndsWith("\u4e3b\",\"cut\":true}"));
  EXPECT_THAT(line, Not(HasSubstr("after")));
}

TEST_F(Diag, StaysAnObjectWhateverFillsTheLine) {
  // Each length puts the end of the line at another place of the key and number that follow.
  for (std::size_t length = kDiagLineBytesMax - 120; length < kDiagLineBytesMax + 8; ++length) {
    lines_.clear();
    FTVM_DIAG(kInfo, "x.y").kv("v", std::string(length, 'x')).kv("number", 12345).kv("t", "abc");
    const std::string& line = lines_.at(0);
    ASSERT_LT(line.size(), kDiagLineBytesMax);
    const bool whole = line.ends_with("x\",\"number\":12345,\"t\":\"abc\"}");
    const bool cut = line.ends_with(",\"cut\":true}");
    ASSERT_TRUE(whole || cut) << line.substr(line.size() - 64);
    const auto quotes = std::count(line.begin(), line.end(), '"');
    ASSERT_EQ(quotes % 2, 0) << line.substr(line.size() - 64);
  }
}

TEST_F(Diag, CutsANameThatIsTooLong) {
  FTVM_DIAG(kInfo, std::string(3 * kDiagLineBytesMax, '"')).kv("v", 1);
  EXPECT_THAT(lines_.at(0), EndsWith("\\\"\",\"cut\":true}"));
}

TEST_F(Diag, WritesLinesFromItsLevelOnToTheDescriptor) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const ScopedFd from(ends[0]);
  const ScopedFd to(ends[1]);
  diag_configure(to.get(), DiagLevel::kWarn, "b\"");
  FTVM_DIAG(kInfo, "too.low");
  FTVM_DIAG(kError, "high.enough");
  std::array<char, 256> text;
  const ssize_t got = ::read(from.get(), text.data(), text.size());
  ASSERT_GT(got, 0);
  EXPECT_EQ(std::string_view(text.data(), static_cast<std::size_t>(got)),
            "{\"level\":\"error\",\"event\":\"high.enough\",\"node\":\"b\\\"\"}\n");
  EXPECT_THAT(lines_, SizeIs(2)) << "the observer sees every level";
}

TEST_F(Diag, LosesALineThatCannotBeWrittenAndKeepsErrno) {
  const ScopedFd full(::open("/dev/full", O_WRONLY));
  ASSERT_TRUE(full);
  diag_configure(full.get(), DiagLevel::kInfo, "a");
  errno = EXDEV;
  FTVM_DIAG(kError, "disk.full");
  EXPECT_EQ(errno, EXDEV);
}

TEST_F(Diag, BuildsNothingThatNobodyWillSee) {
  diag_observe(nullptr);
  FTVM_DIAG(kDebug, "not.seen").kv("v", "text").kv("n", 1).kv("b", true);
  EXPECT_THAT(lines_, SizeIs(0));
}

TEST_F(Diag, KeepsLinesOfSeveralThreadsWhole) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const ScopedFd from(ends[0]);
  ScopedFd to(ends[1]);
  diag_configure(to.get(), DiagLevel::kInfo, "a");
  constexpr std::size_t kThreads = 4, kLines = 100;
  const std::string text(64, 'x');
  const std::string expected =
      "{\"level\":\"info\",\"event\":\"x.y\",\"node\":\"a\",\"v\":\"" + text + "\"}";
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (std::size_t j = 0; j < kLines; ++j) FTVM_DIAG(kInfo, "x.y").kv("v", text);
    });
  }
  std::string all;  // 400 lines of 110 bytes fit into a pipe, but reading meanwhile needs no proof.
  while (all.size() < kThreads * kLines * (expected.size() + 1)) {
    std::array<char, 4096> chunk;
    const ssize_t got = ::read(from.get(), chunk.data(), chunk.size());
    ASSERT_GT(got, 0);
    all.append(chunk.data(), static_cast<std::size_t>(got));
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < kThreads * kLines; ++i) {
    const std::string_view line(all.data() + i * (expected.size() + 1), expected.size());
    ASSERT_EQ(line, expected);
  }
  EXPECT_THAT(lines_, ::testing::Each(expected));
}

}  // namespace
}  // namespace ftvm
