// Console scripts: what a line may be, and that a script types at the right moment.
#include <gtest/gtest.h>

#include "ftcore/cli/script_file.h"
#include "ftcore/cli/scripted_console.h"

namespace ftvm::cli {
namespace {

ByteView view(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
std::string taken(ScriptedConsole& console) {
  Bytes bytes;
  console.take_input(bytes, 1000);
  return {bytes.begin(), bytes.end()};
}

TEST(ScriptFile, PairsEachSendWithTheWaitBefore) {
  const auto script = parse_script(
      "# boots\n\n  wait \"login: \"\nsend \"root\\n\"\r\n\tsend \"id\\n\"\nwait \"uid\"\nwait "
      "\"#\"\nstop\n");
  ASSERT_TRUE(script) << script.error().message();
  ASSERT_EQ(script->steps.size(), 4u);
  EXPECT_EQ(script->steps[0].wait, "login: ");
  EXPECT_EQ(script->steps[0].send, "root\n");
  EXPECT_EQ(script->steps[1].wait, "");
  EXPECT_EQ(script->steps[1].send, "id\n");
  EXPECT_EQ(script->steps[2].wait, "uid");
  EXPECT_EQ(script->steps[2].send, "");
  EXPECT_EQ(script->steps[3].wait, "#");
  EXPECT_TRUE(script->stops);
}

TEST(ScriptFile, ReadsEscapes) {
  const auto script = parse_script(R"(send "\n\r\t\e\\\"\x00\xfF")");
  ASSERT_TRUE(script) << script.error().message();
  EXPECT_EQ(script->steps[0].send, std::string("\n\r\t\x1b\\\"\x00\xff", 8));
}

TEST(ScriptFile, RefusesALineByItsNumber) {
  const std::pair<const char*, const char*> cases[] = {
      {"wait \"a\"\nwait b", "line 2: expected a \"text\""},
      {"send \"a", "line 1: the text has no closing quote"},
      {"send \"a\\", "line 1: use \\n"},
      {"send \"\\x4\"", "line 1: use \\n"},
      {"send \"a\" b", "line 1: something follows the text"},
      {"type \"a\"", "line 1: a line is wait"},
      {"wait \"\"", "line 1: the text to wait for is empty"},
      {"send \"a\"\nstop", "line 2: stop needs a wait before it"},
      {"wait \"a\"\nstop now", "line 2: something follows stop"},
      {"wait \"a\"\nstop\n\nsend \"b\"", "line 4: nothing may follow stop"}};
  for (const auto& [text, why] : cases) {
    const auto script = parse_script(text);
    ASSERT_FALSE(script) << text;
    EXPECT_EQ(script.error().code(), ErrorCode::kUsage);
    EXPECT_EQ(script.error().message().find(why), 0u) << script.error().message();
  }
}

TEST(ScriptedConsole, TypesWhenTheTextHasComeAndStopsAtTheEnd) {
  int stops = 0;
  ScriptedConsole console(*parse_script("send \"a\"\nwait \"gu\"\nsend \"b\"\nwait \"est\"\nstop"),
                          nullptr, [&stops] { ++stops; });
  EXPECT_EQ(taken(console), "a");
  console.write(0, view("g"));
  EXPECT_EQ(taken(console), "");
  console.write(1, view("u"));
  EXPECT_EQ(taken(console), "b");
  EXPECT_EQ(stops, 0);
  console.write(2, view("est"));
  EXPECT_EQ(stops, 1);
}

/// For a machine that was restored, offsets do not begin at 0.
TEST(ScriptedConsole, ReadsAStreamThatBeginsInItsMiddle) {
  ScriptedConsole console(*parse_script("wait \"x\"\nsend \"y\""), nullptr, nullptr);
  console.write(14'529, view("wx"));
  EXPECT_EQ(taken(console), "y");
}

TEST(ScriptedConsole, WithoutStopTheRunGoesOn) {
  int stops = 0;
  ScriptedConsole console(*parse_script("wait \"x\""), nullptr, [&stops] { ++stops; });
  console.write(0, view("x"));
  EXPECT_EQ(stops, 0);
}

}  // namespace
}  // namespace ftvm::cli
