// Who is who on a listening socket. The library reports messages by routing id and the life of
// connections by file descriptor, on two streams without a common order; this table brings them
// together and turns them into channel events.
//
// It relies on two facts: the notes are in order, and the note that a connection was accepted is
// there before its first message is. Descriptors are reused, so a message of a new routing id
// belongs to the youngest connection with that descriptor that has none yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "ftcore/transport/channel.h"
#include "ftcore/transport/zmq_socket.h"

namespace ftvm::ftcore {

/// Threading: none.
class PeerTable {
 public:
  /// Takes one round: first all `messages` were taken from the socket, then all `notes`. Appends
  /// the messages of peers that are not dropped, in order, and then the ends of connections.
  void settle(std::vector<RawMessage> messages, const std::vector<SocketNote>& notes,
              std::deque<ChannelEvent>& out);

  /// Routing id of a peer that is there and not dropped, else nullptr.
  [[nodiscard]] const std::string* routing_id(PeerId peer) const;

  /// No event of this peer follows.
  void drop(PeerId peer);

  /// Connections known at the moment.
  [[nodiscard]] std::size_t connection_count() const { return connections_.size(); }

 private:
  struct Connection {
    int fd;
    bool alive;
    PeerId peer;  // Nobody until its first message.
  };
  struct Peer {
    std::string routing_id;
    bool dropped;
  };

  void note(const SocketNote& note);
  void adopt(const RawMessage& message);
  void bury(std::deque<ChannelEvent>& out);

  std::vector<Connection> connections_;  // In the order in which they were accepted.
  std::map<PeerId, Peer> peers_;
  std::map<std::string, PeerId> by_routing_id_;
  std::uint64_t last_peer_ = 0;
};

}  // namespace ftvm::ftcore
