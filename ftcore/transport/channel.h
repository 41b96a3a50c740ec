// A channel carries whole messages, in order, between the nodes of a pair, and may die at any time.
// It says when it does; it promises nothing about what was sent before. Sessions, credit and
// repetition are the protocol's business.
//
// Several peers may talk to a listening channel: each message says from whom it is. A PeerId names
// one connection and is never used again, so an answer can not reach the wrong one.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "emulator/base/bytes.h"
#include "emulator/base/result.h"

namespace ftvm::ftcore {

/// One connection of one channel. 0 is nobody.
struct PeerId {
  std::uint64_t value = 0;
  auto operator<=>(const PeerId&) const = default;
};

struct ChannelEvent {
  enum class Kind : std::uint8_t {
    kConnected,  // Connecting side only: say hello. Listening side: the first message does.
    kMessage,
    kDisconnected,     // After the last message of this peer.
    kHandshakeFailed,  // Somebody has another key, or does not speak ZeroMQ. The peer is nobody.
  };
  Kind kind = Kind::kMessage;
  PeerId peer;
  Bytes bytes;               // Of kMessage.
  std::string peer_address;  // Of kMessage: numeric IP address of the peer, empty for ipc.
  std::string reason;        // Of kHandshakeFailed, for people.
};

/// Threading: one thread. No call ever blocks.
class Channel {
 public:
  virtual ~Channel() = default;

  /// Readable when receive() may have something; it stays readable until receive() has nothing.
  /// Lifetime: owned by the channel.
  [[nodiscard]] virtual int descriptor() const = 0;

  /// The next event, if any.
  virtual std::optional<ChannelEvent> receive() = 0;

  /// Hands the message to the connection. Errors: kClosed when the connection is gone or dropped;
  /// kIo when its queue is full, that is, when the peer does not read: treat it as lost.
  virtual Status send(PeerId peer, ByteView bytes) = 0;

  /// Nothing from this peer is wanted any more; its kDisconnected is not reported either. What was
  /// sent to it before may still arrive. The connecting side connects anew.
  virtual void drop(PeerId peer) = 0;
};

}  // namespace ftvm::ftcore
