// The rules of the numbered console's server.
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "devices/host/numbered_hub.h"
#include "tests/unit/devices/host_test_support.h"

namespace ftvm::devices::host {
namespace {

/// A client of a hub that says what it is told to.
class Peer {
 public:
  Peer(NumberedHub& hub, NumberedHub::Connection id) : hub_(hub), id_(id) { hub_.connected(id_); }
  void say(const ConsoleMessage& message) {
    ByteFifo wire;
    encode(message, wire);
    hub_.received(id_, wire.view());
  }
  std::vector<ConsoleMessage> hear() {
    Bytes all;
    for (ByteView bytes = hub_.sendable(id_); !bytes.empty(); bytes = hub_.sendable(id_)) {
      all.insert(all.end(), bytes.begin(), bytes.end());
      hub_.sent(id_, bytes.size());
    }
    return decode_all(all);
  }
  /// The output among what is heard.
  std::string output() {
    std::string text;
    for (const ConsoleMessage& message : hear()) {
      if (const auto* output = std::get_if<ConsoleOutput>(&message)) text += text_of(output->bytes);
    }
    return text;
  }
  template <class Message>
  Message only() {
    const auto messages = hear();
    EXPECT_EQ(messages.size(), 1u);
    EXPECT_TRUE(!messages.empty() && std::holds_alternative<Message>(messages[0]));
    return messages.empty() ? Message{} : std::get<Message>(messages[0]);
  }
  [[nodiscard]] bool closing() const { return hub_.closing(id_); }

 private:
  NumberedHub& hub_;
  NumberedHub::Connection id_;
};

TEST(NumberedHub, AStandbyAnswersAndStreamsNothingUntilItIsLive) {
  NumberedHub hub({.pair = "p"});
  hub.publish(0, bytes_of("hello"));
  Peer peer(hub, 1);
  peer.say(ConsoleHello{.client_id = 1, .wanted = 2});
  EXPECT_EQ(peer.only<ConsoleNode>(), (ConsoleNode{NodeRole::kStandby, Epoch{}, 0, 0, "p"}));
  peer.say(ConsoleKeyboard{});
  EXPECT_EQ(peer.only<ConsoleRefusal>().why, ConsoleRefusal::Why::kStandby);
  hub.set_input_expected(40);
  hub.set_live(Epoch{3});
  const auto messages = peer.hear();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0], ConsoleMessage(ConsoleNode{NodeRole::kLive, Epoch{3}, 40, 40, "p"}));
  EXPECT_EQ(messages[1], ConsoleMessage(ConsoleOutput{Epoch{3}, 2, bytes_of("llo")}));
}

TEST(NumberedHub, AStandbyKnowsWhatItsClientHasReadElsewhere) {
  NumberedHub hub({});
  Peer peer(hub, 1);
  peer.say(ConsoleHello{.client_id = 1, .wanted = 0});
  hub.publish(0, bytes_of("0123456789"));
  peer.say(ConsoleShown{.next = 7});
  (void)peer.hear();
  EXPECT_EQ(hub.confirmed(), 7u);
  hub.set_live(Epoch{1});
  EXPECT_EQ(peer.output(), "789");
}

TEST(NumberedHub, TheSlowestConnectedClientDecidesWhatIsConfirmed) {
  NumberedHub hub({});
  hub.set_live(Epoch{1});
  hub.publish(0, bytes_of("0123456789"));
  EXPECT_EQ(hub.confirmed(), 0u) << "nobody is there";
  Peer fast(hub, 1);
  EXPECT_EQ(hub.confirmed(), 0u) << "connected is not greeted";
  fast.say(ConsoleHello{.client_id = 1, .wanted = 0});
  fast.say(ConsoleShown{.next = 4});
  EXPECT_EQ(hub.confirmed(), 4u);
  Peer slow(hub, 2);
  slow.say(ConsoleHello{.client_id = 2, .wanted = {}});
  EXPECT_EQ(hub.confirmed(), 4u) << "what was confirmed stays so";
  fast.say(ConsoleShown{.next = 8});
  EXPECT_EQ(hub.confirmed(), 4u);
  slow.say(ConsoleShown{.next = 6});
  EXPECT_EQ(hub.confirmed(), 6u);
  hub.disconnected(2);
  EXPECT_EQ(hub.confirmed(), 8u) << "who left does not hold anybody up";
  fast.say(ConsoleShown{.next = 4000});
  EXPECT_EQ(hub.confirmed(), 10u) << "more than there is";
  hub.disconnected(1);
  hub.publish(10, bytes_of("abc"));
  EXPECT_EQ(hub.confirmed(), 10u) << "with nobody there, nothing more";
  Peer back(hub, 3);
  back.say(ConsoleHello{.client_id = 3, .wanted = 12});
  EXPECT_EQ(hub.confirmed(), 12u) << "who asks for a byte has those before it";
}

TEST(NumberedHub, TakesEachTypedByteOnceAndRefusesAGap) {
  NumberedHub hub({});
  hub.set_live(Epoch{1});
  Peer peer(hub, 1);
  peer.say(ConsoleHello{});
  peer.say(ConsoleKeyboard{});
  (void)peer.hear();
  peer.say(ConsoleTyped{0, bytes_of("abc")});
  EXPECT_EQ(peer.only<ConsoleAck>(), (ConsoleAck{.confirmed = 0, .next = 3}));
  peer.say(ConsoleTyped{0, bytes_of("abc")});
  peer.say(ConsoleTyped{1, bytes_of("bcd")});
  EXPECT_EQ(text_of(hub.take_typed()), "abcd");
  (void)peer.hear();
  peer.say(ConsoleTyped{9, bytes_of("x")});
  EXPECT_EQ(peer.only<ConsoleRefusal>(), (ConsoleRefusal{ConsoleRefusal::Why::kGap, 4}));
  EXPECT_TRUE(hub.take_typed().empty());
  hub.confirm_input(3);
  EXPECT_EQ(peer.only<ConsoleAck>(), (ConsoleAck{.confirmed = 3, .next = 4}));
  hub.confirm_input(3);
  EXPECT_TRUE(peer.hear().empty());
}

TEST(NumberedHub, ForgetsWhatWasTypedAndNotDeliveredWhenTheStreamIsSet) {
  NumberedHub hub({});
  hub.set_live(Epoch{1});
  Peer peer(hub, 1);
  peer.say(ConsoleHello{});
  peer.say(ConsoleKeyboard{});
  peer.say(ConsoleTyped{0, bytes_of("abc")});
  hub.set_input_expected(1);
  EXPECT_TRUE(hub.take_typed().empty());
  peer.say(ConsoleTyped{0, bytes_of("abc")});
  EXPECT_EQ(text_of(hub.take_typed()), "bc");
}

TEST(NumberedHub, OneClientAtATimeHasTheKeyboard) {
  NumberedHub hub({});
  hub.set_live(Epoch{1});
  Peer first(hub, 1), second(hub, 2);
  first.say(ConsoleHello{.client_id = 1});
  second.say(ConsoleHello{.client_id = 2});
  first.say(ConsoleKeyboard{});
  (void)second.hear();
  second.say(ConsoleKeyboard{});
  EXPECT_EQ(second.only<ConsoleRefusal>().why, ConsoleRefusal::Why::kBusy);
  second.say(ConsoleTyped{0, bytes_of("no")});
  EXPECT_EQ(second.only<ConsoleRefusal>().why, ConsoleRefusal::Why::kBusy);
  EXPECT_TRUE(hub.take_typed().empty());
  hub.disconnected(1);
  second.say(ConsoleKeyboard{});
  EXPECT_EQ(second.only<ConsoleAck>(), (ConsoleAck{0, 0}));
}

TEST(NumberedHub, AClientThatConnectsAgainReplacesItselfAndKeepsTheKeyboard) {
  NumberedHub hub({});
  hub.set_live(Epoch{1});
  Peer before(hub, 1), after(hub, 2), other(hub, 3);
  before.say(ConsoleHello{.client_id = 5});
  before.say(ConsoleKeyboard{});
  after.say(ConsoleHello{.client_id = 5});
  EXPECT_TRUE(before.closing());
  hub.disconnected(1);
  other.say(ConsoleHello{.client_id = 6});
  (void)other.hear();
  other.say(ConsoleKeyboard{});
  EXPECT_EQ(other.only<ConsoleRefusal>().why, ConsoleRefusal::Why::kBusy);
  (void)after.hear();
  after.say(ConsoleKeyboard{});
  EXPECT_EQ(after.only<ConsoleAck>(), (ConsoleAck{0, 0}));
}

TEST(NumberedHub, TakesNoMoreThanItsLimitAndSaysWhereToGoOn) {
  NumberedHub hub({.typed_bytes_max = 10});
  hub.set_live(Epoch{1});
  Peer peer(hub, 1);
  peer.say(ConsoleHello{});
  peer.say(ConsoleKeyboard{});
  (void)peer.hear();
  peer.say(ConsoleTyped{0, bytes_of("0123456789ab")});
  EXPECT_EQ(peer.only<ConsoleRefusal>(), (ConsoleRefusal{ConsoleRefusal::Why::kFull, 10}));
  EXPECT_EQ(text_of(hub.take_typed()), "0123456789");
  hub.confirm_input(4);
  EXPECT_EQ(peer.only<ConsoleAck>(), (ConsoleAck{4, 10}));
  peer.say(ConsoleTyped{10, bytes_of("ab")});
  EXPECT_EQ(text_of(hub.take_typed()), "ab");
}

TEST(NumberedHub, TellsOfTheGapWhenTheRingHasLostWhatIsWanted) {
  NumberedHub hub({.ring_bytes = 8});
  hub.set_live(Epoch{1});
  hub.publish(0, bytes_of("0123456789"));
  Peer peer(hub, 1);
  peer.say(ConsoleHello{.client_id = 1, .wanted = 0});
  const auto messages = peer.hear();
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[1], ConsoleMessage(ConsoleGap{Epoch{1}, 0, 2}));
  EXPECT_EQ(messages[2], ConsoleMessage(ConsoleOutput{Epoch{1}, 2, bytes_of("23456789")}));
  Peer anything(hub, 2);
  anything.say(ConsoleHello{.client_id = 2});
  EXPECT_EQ(anything.output(), "23456789");
}

TEST(NumberedHub, CutsAClientThatNeverReads) {
  NumberedHub hub({.ring_bytes = 64 << 10});
  hub.set_live(Epoch{1});
  Peer peer(hub, 1);
  peer.say(ConsoleHello{.client_id = 1, .wanted = 0});
  const Bytes piece(48 << 10, 'x');
  for (std::uint64_t i = 0; i < 6; ++i) {
    hub.publish(i * piece.size(), piece);
    (void)hub.sendable(1);
  }
  EXPECT_TRUE(peer.closing());
  EXPECT_TRUE(hub.sendable(1).empty());
}

TEST(NumberedHub, ASlowClientThatStillReadsIsNotCut) {
  NumberedHub hub({.ring_bytes = 64 << 10});
  hub.set_live(Epoch{1});
  Peer peer(hub, 1);
  peer.say(ConsoleHello{.client_id = 1, .wanted = 0});
  const Bytes piece(96 << 10, 'x');
  for (std::uint64_t i = 0; i < 20; ++i) {
    hub.publish(i * piece.size(), piece);
    ASSERT_FALSE(hub.sendable(1).empty());
    hub.sent(1, 100);
  }
  EXPECT_FALSE(peer.closing());
}

TEST(NumberedHub, CutsAClientThatAsksAndNeverReadsTheAnswers) {
  NumberedHub hub({});
  hub.set_live(Epoch{1});
  Peer peer(hub, 1);
  peer.say(ConsoleHello{});
  int asked = 0;
  while (!peer.closing() && asked < 100'000) {
    peer.say(ConsoleKeyboard{});
    ++asked;
  }
  EXPECT_LT(asked, 100'000);
}

TEST(NumberedHub, GarbageClosesOnlyItsOwnConnection) {
  NumberedHub hub({});
  hub.set_live(Epoch{1});
  Peer good(hub, 1), bad(hub, 2);
  good.say(ConsoleHello{});
  (void)good.hear();
  hub.received(2, bytes_of("GET / HTTP/1.1\r\nHost: console\r\n\r\n"));
  EXPECT_EQ(bad.only<ConsoleBye>().why, ConsoleBye::Why::kProtocol);
  EXPECT_TRUE(bad.closing());
  hub.received(2, bytes_of("more of it"));
  hub.publish(0, bytes_of("ok"));
  EXPECT_EQ(good.output(), "ok");
}

TEST(NumberedHub, RefusesAWrongPairAWrongOrderAndTooMany) {
  NumberedHub hub({.pair = "right", .clients_max = 3});
  Peer wrong(hub, 1), mute(hub, 2), server(hub, 3), late(hub, 4);
  wrong.say(ConsoleHello{.pair = "other"});
  EXPECT_EQ(wrong.only<ConsoleBye>().why, ConsoleBye::Why::kPair);
  mute.say(ConsoleShown{});
  EXPECT_EQ(mute.only<ConsoleBye>().why, ConsoleBye::Why::kProtocol);
  server.say(ConsoleAck{});
  EXPECT_EQ(server.only<ConsoleBye>().why, ConsoleBye::Why::kProtocol);
  EXPECT_EQ(late.only<ConsoleBye>().why, ConsoleBye::Why::kFull);
}

TEST(NumberedHub, TellsTheEndBehindTheLastOutput) {
  NumberedHub hub({});
  hub.set_live(Epoch{1});
  Peer peer(hub, 1);
  peer.say(ConsoleHello{});
  hub.publish(0, bytes_of("bye"));
  hub.end(EndReason::kPowerOff);
  const auto messages = peer.hear();
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[2], ConsoleMessage(ConsoleEnd{Epoch{1}, EndReason::kPowerOff, 3}));
  EXPECT_TRUE(peer.hear().empty());
}

}  // namespace
}  // namespace ftvm::devices::host
