// The server side of the numbered console without sockets or threads: which client has which bytes,
// who has the keyboard, and what is to be said to whom.
//
// A connection: hello -> node (role, epoch, input offsets) -> output, gap, ack, refusal, end <-
// keyboard, typed, shown. A standby node answers the hello and then streams nothing until it goes
// live.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "devices/host/byte_fifo.h"
#include "devices/host/console_ring.h"
#include "devices/host/numbered_protocol.h"

namespace ftvm::devices::host {

/// One client types at a time, because one stream of offsets can have one writer: the first that
/// asks gets the keyboard and keeps it while it is connected. All clients read.
/// Threading: the owner's lock.
class NumberedHub {
 public:
  using Connection = std::uint64_t;
  struct Options {
    /// Names this run of this machine (a random id is best): offsets of another mean nothing here.
    std::string pair = {};
    std::size_t ring_bytes = kConsoleRingBytes;
    std::size_t clients_max = 16;
    /// Control messages for a client that does not read; beyond that it is cut.
    std::size_t send_bytes_max = std::size_t{256} << 10;
    /// Typed bytes that were accepted and are not confirmed.
    std::size_t typed_bytes_max = std::size_t{64} << 10;
  };
  explicit NumberedHub(Options options);

  // Clients.

  void connected(Connection id);
  /// Whatever the bytes are, no other connection suffers from them.
  void received(Connection id, ByteView bytes);
  void disconnected(Connection id);
  /// What is to be sent next, filled up with output. Valid until the next call.
  ByteView sendable(Connection id);
  void sent(Connection id, std::size_t size);
  /// The connection is to be closed as soon as nothing is sendable, and read no more.
  [[nodiscard]] bool closing(Connection id) const { return clients_.at(id).closing; }
  [[nodiscard]] bool greeted(Connection id) const { return clients_.at(id).greeted; }

  // The machine; see NumberedConsole.

  void publish(std::uint64_t offset, ByteView bytes) { ring_.append(offset, bytes); }
  void set_live(Epoch epoch);
  void set_input_expected(std::uint64_t offset);
  void confirm_input(std::uint64_t offset);
  void end(EndReason reason) { ended_ = reason; }
  /// Typed bytes accepted since the last call, in order.
  Bytes take_typed();

  [[nodiscard]] bool live() const { return live_; }
  /// Output before this has been shown by every client that is connected: the slowest one decides.
  /// While nobody is connected nothing more is confirmed. Range: never falls; at most what was
  /// published.
  [[nodiscard]] std::uint64_t confirmed();

 private:
  struct Client {
    ConsoleFrameReader in;
    ByteFifo out;
    bool greeted = false;
    bool closing = false;
    bool progress = true;  // It took bytes since the ring last overtook it.
    bool end_told = false;
    std::uint64_t id = 0;                      // Its own, from the hello.
    std::optional<std::uint64_t> next_output;  // Nothing: the oldest there is.
    std::uint64_t shown = 0;                   // It has shown all output before this.
  };

  void handle(Connection id, Client& client, const ConsoleHello& hello);
  void handle(Connection id, Client& client, const ConsoleKeyboard& keyboard);
  void handle(Connection id, Client& client, const ConsoleTyped& typed);
  void handle(Connection id, Client& client, const ConsoleShown& shown);
  template <class Other>
  void handle(Connection id, Client& client, const Other& other);

  void say(Client& client, const ConsoleMessage& message);
  void bye(Client& client, ConsoleBye::Why why, const std::string& text);
  void refuse(Client& client, ConsoleRefusal::Why why);
  void cut(Client& client);
  void fill(Client& client);
  [[nodiscard]] ConsoleNode node() const;
  [[nodiscard]] ConsoleAck ack() const;

  const Options options_;
  std::map<Connection, Client> clients_;
  ConsoleRing ring_;
  StreamNumbering typed_;
  Bytes accepted_;               // Not taken by the machine yet.
  std::uint64_t confirmed_ = 0;  // Typed bytes before it are safe.
  std::uint64_t confirmed_output_ = 0;
  std::optional<Connection> keyboard_;
  std::optional<EndReason> ended_;
  Epoch epoch_;
  bool live_ = false;
};

}  // namespace ftvm::devices::host
