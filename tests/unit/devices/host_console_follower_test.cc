// The rules of the numbered console's client.
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "devices/host/console_follower.h"
#include "tests/unit/devices/host_test_support.h"

namespace ftvm::devices::host {
namespace {

constexpr HostTime kNow{1'000'000'000};

/// A follower of two nodes whose messages are written by the test.
class FollowerTest : public ::testing::Test {
 protected:
  void say(std::size_t node, const ConsoleMessage& message, HostTime now = kNow) {
    ByteFifo wire;
    encode(message, wire);
    follower.received(node, wire.view(), now);
  }
  std::vector<ConsoleMessage> heard(std::size_t node) {
    auto messages = decode_all(follower.outbox(node).view());
    follower.outbox(node).clear();
    return messages;
  }
  void live(std::size_t node, std::uint64_t epoch, std::uint64_t confirmed = 0,
            std::uint64_t next = 0) {
    say(node, ConsoleNode{NodeRole::kLive, Epoch{epoch}, confirmed, next, "p"});
  }
  std::string screen() {
    std::string text = text_of(follower.screen().view());
    follower.screen().clear();
    return text;
  }
  std::string messages() {
    std::string text;
    for (const std::string& message : follower.take_messages()) text += message;
    return text;
  }
  void connect_both() {
    follower.connected(0);
    follower.connected(1);
    live(0, 1);
    say(1, ConsoleNode{NodeRole::kStandby, Epoch{0}, 0, 0, "p"});
    (void)heard(0), (void)heard(1), (void)messages();
  }
  void grant(std::size_t node, std::uint64_t confirmed, std::uint64_t next) {
    say(node, ConsoleAck{confirmed, next});
  }

  ConsoleFollower follower{{.names = {"A", "B"}, .client_id = 9}};
};

TEST_F(FollowerTest, SaysHelloToAllAndFollowsTheLiveOne) {
  follower.connected(0);
  follower.connected(1);
  EXPECT_EQ(heard(0).at(0), ConsoleMessage(ConsoleHello{.client_id = 9}));
  say(1, ConsoleNode{NodeRole::kStandby, Epoch{0}, 0, 0, "p"});
  EXPECT_FALSE(follower.followed());
  live(0, 1);
  EXPECT_EQ(follower.followed(), 0u);
  EXPECT_EQ(messages(), "[connected to A, epoch 1]");
}

TEST_F(FollowerTest, ShowsEachByteOnce) {
  connect_both();
  say(0, ConsoleOutput{Epoch{1}, 0, bytes_of("abc")});
  say(0, ConsoleOutput{Epoch{1}, 1, bytes_of("bcd")});
  say(0, ConsoleOutput{Epoch{1}, 0, bytes_of("ab")});
  EXPECT_EQ(screen(), "abcd");
  EXPECT_EQ(follower.next_output(), 4u);
}

TEST_F(FollowerTest, TellsBothNodesWhatWasShownAfterItWas) {
  connect_both();
  say(0, ConsoleOutput{Epoch{1}, 0, bytes_of("abcd")});
  follower.shown();
  EXPECT_TRUE(heard(1).empty()) << "still on its way to the screen";
  follower.screen().pop(3);
  follower.shown();
  EXPECT_EQ(heard(0).at(0), ConsoleMessage(ConsoleShown{3}));
  EXPECT_EQ(heard(1).at(0), ConsoleMessage(ConsoleShown{3}));
  follower.shown();
  EXPECT_TRUE(heard(0).empty());
}

TEST_F(FollowerTest, AHigherEpochTakesOverAndTheOldNodeIsNotHeardAnyMore) {
  connect_both();
  say(0, ConsoleOutput{Epoch{1}, 0, bytes_of("ab")});
  live(1, 2);
  say(0, ConsoleOutput{Epoch{1}, 2, bytes_of("LIE")});
  say(1, ConsoleOutput{Epoch{2}, 0, bytes_of("abcd")}, HostTime{kNow.ns + 310'000'000});
  EXPECT_EQ(screen(), "abcd");
  EXPECT_EQ(messages(), "[failover: now B, epoch 2, 0.31 s without output]");
  // It comes back, still believing in itself.
  follower.disconnected(0);
  follower.connected(0);
  live(0, 1);
  say(0, ConsoleOutput{Epoch{1}, 4, bytes_of("LIE")});
  EXPECT_EQ(screen(), "");
  EXPECT_EQ(follower.followed(), 1u);
  EXPECT_EQ(messages(), "");
}

TEST_F(FollowerTest, OfTwoLiveNodesWithOneEpochTheFirstIsHeard) {
  connect_both();
  live(1, 1);
  say(1, ConsoleOutput{Epoch{1}, 0, bytes_of("LIE")});
  say(0, ConsoleOutput{Epoch{1}, 0, bytes_of("yes")});
  EXPECT_EQ(screen(), "yes");
}

TEST_F(FollowerTest, AFailoverOfASilentGuestIsAnnouncedToo) {
  connect_both();
  follower.disconnected(0);
  EXPECT_EQ(messages(), "[lost A]");
  live(1, 2);
  follower.on_time(kNow);
  EXPECT_EQ(messages(), "");
  follower.on_time(HostTime{kNow.ns + 2'000'000'000});
  EXPECT_EQ(messages(), "[failover: now B, epoch 2]");
}

TEST_F(FollowerTest, AsksForTheKeyboardBeforeItTypes) {
  connect_both();
  follower.typed(bytes_of("ls\n"));
  EXPECT_EQ(heard(0), std::vector<ConsoleMessage>{ConsoleKeyboard{}});
  grant(0, 100, 105);
  EXPECT_EQ(heard(0), std::vector<ConsoleMessage>{(ConsoleTyped{105, bytes_of("ls\n")})});
  EXPECT_FALSE(follower.all_confirmed());
  grant(0, 106, 108);
  EXPECT_FALSE(follower.all_confirmed());
  grant(0, 108, 108);
  EXPECT_TRUE(follower.all_confirmed());
}

TEST_F(FollowerTest, TypesAgainOnTheNewNodeExactlyWhatItDoesNotHave) {
  connect_both();
  follower.typed(bytes_of("abcdef"));
  grant(0, 0, 0);
  grant(0, 2, 6);  // "ab" is safe, the rest only accepted.
  (void)heard(0);
  follower.disconnected(0);
  follower.typed(bytes_of("gh"));
  live(1, 2, 4, 4);  // "cd" had reached the journal all the same.
  EXPECT_EQ(heard(1), std::vector<ConsoleMessage>{ConsoleKeyboard{}});
  grant(1, 4, 4);
  EXPECT_EQ(heard(1), std::vector<ConsoleMessage>{(ConsoleTyped{4, bytes_of("efgh")})});
}

TEST_F(FollowerTest, DoesNotRepeatWhatTheSameNodeAcceptedBeforeAReconnect) {
  connect_both();
  follower.typed(bytes_of("abcdef"));
  grant(0, 0, 0);
  follower.disconnected(0);
  follower.connected(0);
  live(0, 1, 2, 5);
  (void)heard(0);
  grant(0, 2, 5);
  EXPECT_EQ(heard(0), std::vector<ConsoleMessage>{(ConsoleTyped{5, bytes_of("f")})});
  follower.disconnected(0);  // And if that node dies now, "cde" is still here.
  live(1, 2, 3, 3);
  grant(1, 3, 3);
  EXPECT_EQ(std::get<ConsoleTyped>(heard(1).back()), (ConsoleTyped{3, bytes_of("def")}));
}

TEST_F(FollowerTest, BytesTypedWhileAnotherClientWroteComeAfterThem) {
  connect_both();
  follower.typed(bytes_of("a"));
  grant(0, 0, 0);
  grant(0, 1, 1);
  follower.disconnected(0);
  follower.typed(bytes_of("xyz"));
  follower.connected(0);
  live(0, 1, 50, 50);  // Somebody else had the keyboard meanwhile.
  (void)heard(0);
  grant(0, 50, 50);
  EXPECT_EQ(heard(0), std::vector<ConsoleMessage>{(ConsoleTyped{50, bytes_of("xyz")})});
}

TEST_F(FollowerTest, WithoutTheKeyboardTypedBytesAreDroppedAndThatIsSaid) {
  connect_both();
  follower.typed(bytes_of("rm -rf"));
  say(0, ConsoleRefusal{ConsoleRefusal::Why::kBusy, 12});
  EXPECT_TRUE(follower.all_confirmed());
  EXPECT_NE(messages().find("keyboard"), std::string::npos);
}

TEST_F(FollowerTest, AFullNodeIsTriedAgainAfterItsNextAck) {
  connect_both();
  follower.typed(bytes_of("abcd"));
  grant(0, 0, 0);
  (void)heard(0);
  say(0, ConsoleRefusal{ConsoleRefusal::Why::kFull, 2});
  follower.typed(bytes_of("e"));
  EXPECT_TRUE(heard(0).empty());
  grant(0, 1, 2);
  EXPECT_EQ(heard(0), std::vector<ConsoleMessage>{(ConsoleTyped{2, bytes_of("cde")})});
}

TEST_F(FollowerTest, KeepsABoundedAmountInFlight) {
  connect_both();
  const Bytes much(follower.typing_room(), 'k');
  follower.typed(much);
  EXPECT_EQ(follower.typing_room(), 0u);
  grant(0, 0, 0);
  std::size_t in_flight = 0;
  for (const auto& message : heard(0)) {
    if (const auto* typed = std::get_if<ConsoleTyped>(&message)) in_flight += typed->bytes.size();
  }
  EXPECT_EQ(in_flight, 16u << 10);
}

TEST_F(FollowerTest, IsToldOfGaps) {
  connect_both();
  say(0, ConsoleOutput{Epoch{1}, 0, bytes_of("ab")});
  say(0, ConsoleGap{Epoch{1}, 2, 1002});
  say(0, ConsoleOutput{Epoch{1}, 1002, bytes_of("cd")});
  EXPECT_EQ(screen(), "abcd");
  EXPECT_NE(messages().find("1000 bytes of output are gone"), std::string::npos);
}

TEST_F(FollowerTest, EndsWithTheMachineAndNotWithANode) {
  connect_both();
  say(0, ConsoleEnd{Epoch{1}, EndReason::kHandOver, 0});
  EXPECT_FALSE(follower.ended());
  EXPECT_TRUE(follower.hang_up(0));
  follower.disconnected(0);
  live(1, 2);
  say(1, ConsoleEnd{Epoch{1}, EndReason::kPowerOff, 0});
  EXPECT_FALSE(follower.ended()) << "of an older epoch";
  say(1, ConsoleEnd{Epoch{2}, EndReason::kPowerOff, 0});
  EXPECT_EQ(follower.ended(), EndReason::kPowerOff);
}

TEST_F(FollowerTest, KeepsToOneMachine) {
  connect_both();
  follower.disconnected(1);
  follower.connected(1);
  say(1, ConsoleNode{NodeRole::kLive, Epoch{99}, 0, 0, "other"});
  EXPECT_EQ(follower.followed(), 0u);
  EXPECT_TRUE(follower.hang_up(1));
  follower.disconnected(1);
  EXPECT_TRUE(follower.given_up(1));
}

TEST_F(FollowerTest, HangsUpOnGarbage) {
  connect_both();
  follower.received(0, bytes_of("HTTP/1.1 400 Bad Request\r\n"), kNow);
  EXPECT_TRUE(follower.hang_up(0));
  EXPECT_FALSE(follower.given_up(0));
  say(1, ConsoleHello{});
  EXPECT_TRUE(follower.hang_up(1));
}

}  // namespace
}  // namespace ftvm::devices::host
