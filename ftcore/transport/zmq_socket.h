// One ZeroMQ socket with its monitor, in plain types: the only code here that knows the library.
// What the events mean for a pair is ZmqChannel's business.
//
// Each attempt to connect is one of ours. The library's own would send on a new connection what was
// queued for the old one; with ZMQ_IMMEDIATE against that, it would throw away what the old one had
// delivered and nobody had taken yet; and it gives up for good when only one side has a key.
//
// Source: zmq_setsockopt(3), zmq_socket_monitor(3), zmq_getsockopt(3) on ZMQ_FD and ZMQ_EVENTS.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "emulator/base/bytes.h"
#include "emulator/base/result.h"
#include "ftcore/transport/channel_address.h"
#include "ftcore/transport/secret.h"

namespace ftvm::ftcore {

/// A message as it came from the socket.
struct RawMessage {
  std::string routing_id;  // Listening side only.
  int fd = -1;             // Of the connection it came by.
  Bytes bytes;
  std::string peer_address;  // Numeric IP address, or empty.
};

/// What the library noted about a connection.
struct SocketNote {
  enum class Kind {
    kAccepted,         // Listening side: `fd` is a new connection.
    kHandshaken,       // It may carry messages from now on. No fd.
    kHandshakeFailed,  // No fd; `reason` is for people.
    kConnectFailed,    // Connecting side: nobody answered. No fd.
    kDisconnected,     // `fd` is no more.
  };
  Kind kind = Kind::kAccepted;
  int fd = -1;
  std::string reason;
};

struct ZmqSocketOptions {
  ChannelAddress address;
  bool listening = false;
  std::optional<SecretKey> key;
  int send_queue_messages_max = 0;     // Of each connection; at least 1.
  int receive_queue_messages_max = 0;  // Of each connection; at least 1.
  std::size_t message_bytes_max = 0;   // A longer one ends its connection.
  int linger_ms = 0;  // How long the end of the socket may wait for what is not yet sent.
};

/// Threading: one thread. No call blocks.
class ZmqSocket {
 public:
  /// A bound ROUTER, or a DEALER that starts to connect, once. Errors: kUsage for an address that
  /// this machine cannot use, kUnsupported without CURVE, kIo; all name the address.
  static Result<std::unique_ptr<ZmqSocket>> open(const ZmqSocketOptions& options);
  ~ZmqSocket();

  /// Edge-triggered: a descriptor becomes readable when something changes, and any call here may
  /// swallow that; ask has_input() after each call. Lifetime: owned by the socket.
  [[nodiscard]] std::array<int, 2> descriptors() const;
  [[nodiscard]] bool has_input() const;

  /// Notes are in order, and the note about a connection is there before its first message is.
  std::optional<RawMessage> take_message();
  std::optional<SocketNote> take_note();

  /// `routing_id` is empty on the connecting side. Errors: kClosed, or kIo for a full queue.
  Status send(const std::string& routing_id, ByteView bytes);

  /// Connecting side: gives the connection up, if there is one, with all that was not taken from
  /// it, and tries once more.
  void reconnect();

  /// With the port that the system chose.
  [[nodiscard]] const ChannelAddress& address() const;

 private:
  class Impl;
  explicit ZmqSocket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ftvm::ftcore
