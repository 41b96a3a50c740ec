#include "ftcore/transport/peer_table.h"

#include <algorithm>
#include <utility>

namespace ftvm::ftcore {

void PeerTable::note(const SocketNote& note) {
  if (note.kind == SocketNote::Kind::kAccepted) {
    connections_.push_back({note.fd, true, {}});
  }
  if (note.kind != SocketNote::Kind::kDisconnected) return;
  const auto lost = std::ranges::find_if(connections_, [&note](const Connection& connection) {
    return connection.fd == note.fd && connection.alive;
  });
  if (lost != connections_.end()) lost->alive = false;
}

/// Gives the sender of the message an id, unless it has one.
void PeerTable::adopt(const RawMessage& message) {
  if (by_routing_id_.contains(message.routing_id)) return;
  const auto home = std::find_if(
      connections_.rbegin(), connections_.rend(), [&message](const Connection& connection) {
        return connection.fd == message.fd && connection.peer == PeerId{};
      });
  if (home == connections_.rend()) return;
  home->peer = PeerId{++last_peer_};
  peers_.emplace(home->peer, Peer{message.routing_id, false});
  by_routing_id_.emplace(message.routing_id, home->peer);
}

/// Forgets the connections that ended.
void PeerTable::bury(std::deque<ChannelEvent>& out) {
  for (const Connection& connection : connections_) {
    if (connection.alive) continue;
    const auto peer = peers_.find(connection.peer);
    if (peer == peers_.end()) continue;
    if (!peer->second.dropped) {
      ChannelEvent event;
      event.kind = ChannelEvent::Kind::kDisconnected;
      event.peer = connection.peer;
      out.push_back(std::move(event));
    }
    by_routing_id_.erase(peer->second.routing_id);
    peers_.erase(peer);
  }
  std::erase_if(connections_, [](const Connection& connection) { return !connection.alive; });
}

void PeerTable::settle(std::vector<RawMessage> messages, const std::vector<SocketNote>& notes,
                       std::deque<ChannelEvent>& out) {
  for (const SocketNote& each : notes) note(each);
  // Youngest first: when one descriptor served two connections in this round, the last new routing
  // id belongs to the last of them.
  std::for_each(messages.rbegin(), messages.rend(),
                [this](const RawMessage& message) { adopt(message); });
  for (RawMessage& message : messages) {
    const auto peer = by_routing_id_.find(message.routing_id);
    // Without a connection nobody could be answered, nor its end be reported.
    if (peer == by_routing_id_.end() || peers_.at(peer->second).dropped) continue;
    ChannelEvent event;
    event.kind = ChannelEvent::Kind::kMessage;
    event.peer = peer->second;
    event.bytes = std::move(message.bytes);
    event.peer_address = std::move(message.peer_address);
    out.push_back(std::move(event));
  }
  bury(out);
}

const std::string* PeerTable::routing_id(PeerId peer) const {
  const auto found = peers_.find(peer);
  return found == peers_.end() || found->second.dropped ? nullptr : &found->second.routing_id;
}

void PeerTable::drop(PeerId peer) {
  const auto found = peers_.find(peer);
  if (found != peers_.end()) found->second.dropped = true;
}

}  // namespace ftvm::ftcore
