// The small parts all consoles share: ring, numbering, fifo, inbox, escape keys, script, addresses.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "devices/host/byte_fifo.h"
#include "devices/host/console_escape.h"
#include "devices/host/console_inbox.h"
#include "devices/host/console_ring.h"
#include "devices/host/script_console.h"
#include "devices/host/socket_address.h"
#include "emulator/base/prng.h"
#include "tests/unit/devices/host_test_support.h"

namespace ftvm::devices::host {
namespace {

std::string read_text(const ConsoleRing& ring, std::uint64_t from, std::size_t max = 1000) {
  const ConsoleRing::Read read = ring.read(from, max);
  return std::to_string(read.offset) + ":" + text_of(read.bytes);
}

TEST(ConsoleRing, KeepsTheLastBytesByOffset) {
  ConsoleRing ring(8);
  ring.append(0, bytes_of("abcde"));
  EXPECT_EQ(read_text(ring, 0), "0:abcde");
  EXPECT_EQ(read_text(ring, 3, 1), "3:d");
  ring.append(5, bytes_of("fghij"));
  EXPECT_EQ(ring.start(), 2u);
  EXPECT_EQ(read_text(ring, 0), "2:cdefghij");
  EXPECT_EQ(read_text(ring, 9), "9:j");
  EXPECT_EQ(read_text(ring, 10), "10:");
  EXPECT_EQ(read_text(ring, 99), "99:");
}

TEST(ConsoleRing, SkipsRepeatsAndStartsAnewBehindAGap) {
  ConsoleRing ring(8);
  ring.append(0, bytes_of("abc"));
  ring.append(1, bytes_of("bc"));
  ring.append(2, bytes_of("cde"));
  EXPECT_EQ(read_text(ring, 0), "0:abcde");
  ring.append(100, bytes_of("xyz"));
  EXPECT_EQ(ring.start(), 100u);
  EXPECT_EQ(read_text(ring, 0), "100:xyz");
}

TEST(ConsoleRing, TakesMoreThanItHolds) {
  ConsoleRing ring(4);
  ring.append(0, bytes_of("abcdefghijk"));
  EXPECT_EQ(read_text(ring, 0), "7:hijk");
  ring.append(11, bytes_of("l"));
  EXPECT_EQ(read_text(ring, 0), "8:ijkl");
}

TEST(ConsoleRing, AgreesWithAPlainStringOverManyRandomPieces) {
  Prng random(3);
  ConsoleRing ring(37);
  std::string all;
  for (int i = 0; i < 2000; ++i) {
    std::string piece(random.below(60), ' ');
    for (char& c : piece) c = static_cast<char>('a' + random.below(26));
    const std::size_t repeat = random.below(std::min<std::size_t>(all.size(), 20) + 1);
    piece.insert(0, all, all.size() - repeat, repeat);
    ring.append(all.size() - repeat, bytes_of(piece));
    all += piece.substr(repeat);
    ASSERT_EQ(ring.end(), all.size());
    const std::uint64_t from = ring.start() + random.below(ring.end() - ring.start() + 1);
    ASSERT_EQ(text_of(ring.read(from, 1000).bytes), all.substr(from));
  }
}

TEST(StreamNumbering, AcceptsEachByteOnceAndNoGap) {
  StreamNumbering numbering;
  const Bytes abc = bytes_of("abc");
  const auto first = numbering.judge(0, abc);
  EXPECT_EQ(first.verdict, StreamNumbering::Verdict::kFresh);
  numbering.accept(first.fresh.size());
  EXPECT_EQ(numbering.judge(0, abc).verdict, StreamNumbering::Verdict::kRepeat);
  const Bytes bcde = bytes_of("bcde");
  EXPECT_EQ(text_of(numbering.judge(1, bcde).fresh), "de");
  EXPECT_EQ(numbering.judge(4, abc).verdict, StreamNumbering::Verdict::kGap);
  EXPECT_EQ(numbering.judge(3, {}).verdict, StreamNumbering::Verdict::kRepeat);
}

TEST(ByteFifo, GivesBackWhatWasPutInWhateverThePieces) {
  Prng random(11);
  ByteFifo fifo;
  std::uint8_t in = 0, out = 0;
  for (int i = 0; i < 5000; ++i) {
    Bytes piece(random.below(50));
    for (std::uint8_t& byte : piece) byte = in++;
    fifo.push(piece);
    const std::size_t size = random.below(fifo.size() + 1);
    for (const std::uint8_t byte : fifo.view().first(size)) ASSERT_EQ(byte, out++);
    fifo.pop(size);
  }
}

TEST(ConsoleInbox, RefusesWhatDoesNotFitAndAnnouncesTheRest) {
  ConsoleInbox inbox(4);
  int announced = 0;
  EXPECT_EQ(inbox.push(bytes_of("ab")), 2u);
  inbox.set_wakeup([&] { ++announced; });
  EXPECT_EQ(announced, 1);  // What waited already.
  EXPECT_EQ(inbox.push(bytes_of("cdef")), 2u);
  EXPECT_EQ(inbox.push(bytes_of("g")), 0u);
  EXPECT_EQ(announced, 2);
  Bytes out;
  EXPECT_EQ(inbox.take(out, 3), 3u);
  EXPECT_EQ(inbox.take(out, 3), 1u);
  EXPECT_EQ(text_of(out), "abcd");
  inbox.set_wakeup(nullptr);
  inbox.push(bytes_of("h"));
  EXPECT_EQ(announced, 2);
}

TEST(ConsoleEscape, KnowsItsKeysWhereverTheBytesAreCut) {
  using Wish = ConsoleEscape::Wish;
  const auto all_cuts = [](std::string_view typed, std::string_view expected, Wish wish) {
    for (std::size_t cut = 0; cut <= typed.size(); ++cut) {
      ConsoleEscape escape;
      Bytes out;
      const Wish first = escape.filter(bytes_of(typed.substr(0, cut)), out);
      const Wish second = escape.filter(bytes_of(typed.substr(cut)), out);
      EXPECT_EQ(text_of(out), expected) << typed << " cut at " << cut;
      EXPECT_EQ(first == Wish::kNone ? second : first, wish) << typed << " cut at " << cut;
    }
  };
  all_cuts("ls -l\r", "ls -l\r", Wish::kNone);
  all_cuts("a\x01\x01z", "a\x01z", Wish::kNone);
  all_cuts(
      "a\x01"
      "az",
      "a\x01z", Wish::kNone);
  all_cuts("a\x01qz", "a\x01qz", Wish::kNone);
  all_cuts("a\x01h", "a", Wish::kHelp);
  all_cuts("ab\x01x", "ab", Wish::kQuit);
}

TEST(ScriptConsole, TypesWhenItsPatternAppearsEvenInPieces) {
  bool done = false;
  ScriptConsole console({{"", "first\n"}, {"login: ", "root\n"}, {"# ", "ls\n"}},
                        [&] { done = true; });
  Bytes typed;
  console.take_input(typed, 100);
  EXPECT_EQ(text_of(typed), "first\n");
  console.write(0, bytes_of("host log"));
  console.write(8, bytes_of("in:"));
  typed.clear();
  EXPECT_EQ(console.take_input(typed, 100), 0u);
  console.write(11, bytes_of(" # "));  // One piece may take one step only as far as it matches.
  console.take_input(typed, 100);
  EXPECT_EQ(text_of(typed), "root\nls\n");
  EXPECT_TRUE(done);
  EXPECT_EQ(console.steps_done(), 3u);
}

TEST(ScriptConsole, SeesRepeatedOutputOnce) {
  ScriptConsole console({{"ab", "1"}, {"ab", "2"}});
  console.write(0, bytes_of("ab"));
  console.write(0, bytes_of("ab"));
  EXPECT_EQ(console.steps_done(), 1u);
  console.write(1, bytes_of("bab"));
  EXPECT_EQ(console.steps_done(), 2u);
  EXPECT_EQ(console.transcript(), "abab");
}

TEST(SocketAddress, ReadsWhatItWrites) {
  for (const std::string text :
       {"tcp:127.0.0.1:4000", "tcp:[::1]:0", "unix:/tmp/x", "tcp:a.b:65535"}) {
    const auto address = parse_socket_address(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(to_string(*address), text);
  }
  const auto plain = parse_socket_address("localhost:99");
  ASSERT_TRUE(plain);
  EXPECT_EQ(to_string(*plain), "tcp:localhost:99");
}

TEST(SocketAddress, RefusesWhatIsNone) {
  for (const std::string text : {"", "tcp:", "host", "host:", "host:x", "host:65536", "host:-1",
                                 ":80", "::1:80", "unix:", "h:1 "}) {
    const auto address = parse_socket_address(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code(), ErrorCode::kUsage);
  }
}

}  // namespace
}  // namespace ftvm::devices::host
