// Channel over ZeroMQ: the listening side is a ROUTER, the connecting side a DEALER that tries
// again until it is destroyed. With a key all traffic is CURVE-encrypted and both sides are
// authenticated; without one only addresses of this machine are accepted, unless the user insists.
//
// ZeroMQ's own heartbeats and TCP's keepalive are off: whether a peer is alive is the failure
// detector's question.
//
// Source: zmq_setsockopt(3), zmq_socket_monitor(3), zmq_getsockopt(3) on ZMQ_FD; ZeroMQ RFC 26.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "emulator/base/bytes.h"
#include "emulator/base/result.h"
#include "emulator/base/scoped_fd.h"
#include "ftcore/transport/channel.h"
#include "ftcore/transport/channel_address.h"
#include "ftcore/transport/peer_table.h"
#include "ftcore/transport/secret.h"
#include "ftcore/transport/zmq_socket.h"

namespace ftvm::ftcore {

struct ZmqChannelOptions {
  ChannelAddress address;
  std::optional<SecretKey> key;
  /// Accept an address that others can reach without a key.
  bool insecure = false;
  /// Messages waiting for one peer; one more is an error of send(). The protocol's credit keeps the
  /// bytes in bounds long before.
  int send_queue_messages_max = 4096;
  /// How long the end of the channel may block for what is not yet sent, a goodbye for example.
  int linger_ms = 200;
};

class ZmqChannel final : public Channel {
 public:
  /// Waits for peers. Messages longer than kWireSmallMessageBytesMax end their connection: nobody
  /// sends records to who listens. Errors: kUsage for the address, and for a Unix socket that
  /// another channel listens on; kIo, naming the address, when the port is taken or the host
  /// refuses.
  static Result<std::unique_ptr<ZmqChannel>> listen(const ZmqChannelOptions& options);

  /// Starts to connect and returns at once. Messages longer than kWireMessageBytesMax end the
  /// connection. Errors: kUsage for the address, kIo.
  static Result<std::unique_ptr<ZmqChannel>> connect(const ZmqChannelOptions& options);

  ~ZmqChannel() override;

  [[nodiscard]] int descriptor() const override { return epoll_.get(); }
  std::optional<ChannelEvent> receive() override;
  Status send(PeerId peer, ByteView bytes) override;
  void drop(PeerId peer) override;

  /// The address in use; of a listening channel, with the port that the system chose.
  [[nodiscard]] const ChannelAddress& address() const;

 private:
  static Result<std::unique_ptr<ZmqChannel>> open(const ZmqChannelOptions& options, bool listening);
  ZmqChannel(std::unique_ptr<ZmqSocket> socket, bool listening);
  Status open_descriptors();
  std::optional<ChannelEvent> pop_event();
  void gather();
  void settle_connecting(std::vector<RawMessage> messages, const std::vector<SocketNote>& notes);
  void try_again();
  void arm_timer(std::uint32_t ms);
  void update_wakeup();

  ScopedFd lock_;  // Of a Unix socket that is listened on: the library would take it from anybody.
  std::unique_ptr<ZmqSocket> socket_;
  const bool listening_;
  ScopedFd wakeup_;  // eventfd: something is ready that the library will not signal again.
  ScopedFd timer_;   // Connecting side: the next attempt.
  ScopedFd epoll_;
  bool awake_ = false;
  std::deque<ChannelEvent> events_;
  PeerTable peers_;  // Listening side.
  PeerId server_;    // Connecting side; nobody while there is no connection.
  std::uint64_t last_server_ = 0;
};

}  // namespace ftvm::ftcore
