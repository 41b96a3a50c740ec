// Which message and which end belong to which connection, when descriptors are used again.
#include "ftcore/transport/peer_table.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

namespace ftvm::ftcore {
namespace {

using Kind = ChannelEvent::Kind;

Bytes bytes_of_text(const std::string& text) {
  return {text.begin(), text.end()};
}
std::string text_of(const Bytes& bytes) {
  return {bytes.begin(), bytes.end()};
}

SocketNote accepted(int fd) {
  return {SocketNote::Kind::kAccepted, fd, {}};
}
SocketNote disconnected(int fd) {
  return {SocketNote::Kind::kDisconnected, fd, {}};
}
RawMessage from(const std::string& id, int fd, const std::string& text) {
  return {id, fd, bytes_of_text(text), ""};
}

/// Events as text: "1:hello 1:x-" means hello from peer 1 and then its end.
std::string settle(PeerTable& table, const std::vector<RawMessage>& messages,
                   const std::vector<SocketNote>& notes) {
  std::deque<ChannelEvent> events;
  table.settle(messages, notes, events);
  std::string text;
  for (const ChannelEvent& event : events) {
    text += std::to_string(event.peer.value);
    text += event.kind == Kind::kMessage ? ":" + text_of(event.bytes) + " " : "- ";
  }
  return text;
}

TEST(PeerTable, AConnectionThatIsLostInTheRoundOfItsMessagesIsReportedLast) {
  PeerTable table;
  EXPECT_EQ(settle(table, {from("a", 9, "x"), from("a", 9, "y")}, {accepted(9), disconnected(9)}),
            "1:x 1:y 1- ");
  EXPECT_EQ(table.connection_count(), 0u);
  EXPECT_EQ(table.routing_id(PeerId{1}), nullptr);
}

TEST(PeerTable, ADescriptorThatIsUsedAgainBelongsToTheNewConnection) {
  PeerTable table;
  EXPECT_EQ(settle(table, {from("a", 9, "x")}, {accepted(9)}), "1:x ");
  EXPECT_EQ(settle(table, {from("b", 9, "y")}, {disconnected(9), accepted(9)}), "2:y 1- ");
  ASSERT_NE(table.routing_id(PeerId{2}), nullptr);
  EXPECT_EQ(*table.routing_id(PeerId{2}), "b");
  EXPECT_EQ(settle(table, {}, {disconnected(9)}), "2- ");
}

TEST(PeerTable, TwoNewOnesOnOneDescriptorInOneRoundAreToldApartByOrder) {
  PeerTable table;
  EXPECT_EQ(settle(table, {from("a", 9, "x"), from("b", 9, "y")},
                   {accepted(9), disconnected(9), accepted(9)}),
            "2:x 1:y 2- ");
  EXPECT_EQ(*table.routing_id(PeerId{1}), "b");
}

TEST(PeerTable, ASilentStrangerThatLeavesTakesNobodyWithIt) {
  PeerTable table;
  EXPECT_EQ(settle(table, {from("b", 9, "y")}, {accepted(9), disconnected(9), accepted(9)}),
            "1:y ");
  EXPECT_EQ(settle(table, {}, {accepted(10), disconnected(10)}), "");
  EXPECT_EQ(table.connection_count(), 1u);
}

TEST(PeerTable, AMessageWithoutAConnectionIsThrownAway) {
  PeerTable table;
  EXPECT_EQ(settle(table, {from("a", 9, "x")}, {}), "");
  EXPECT_EQ(settle(table, {}, {disconnected(9)}), "");
}

TEST(PeerTable, ADroppedPeerIsSilentToItsEnd) {
  PeerTable table;
  EXPECT_EQ(settle(table, {from("a", 9, "x")}, {accepted(9)}), "1:x ");
  table.drop(PeerId{1});
  EXPECT_EQ(settle(table, {from("a", 9, "y")}, {}), "");
  EXPECT_EQ(table.routing_id(PeerId{1}), nullptr);
  EXPECT_EQ(settle(table, {}, {disconnected(9)}), "");
  EXPECT_EQ(settle(table, {from("a", 9, "z")}, {accepted(9)}), "2:z ")
      << "a new connection, a new id";
}

}  // namespace
}  // namespace ftvm::ftcore
