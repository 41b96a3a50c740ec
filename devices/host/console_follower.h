// The client side of the numbered console without sockets, threads or clocks: which node to
// believe, which output bytes to show (each once), and which typed bytes to send again.
//
// The followed node is the live one with the highest epoch ever seen. Frames of any other are
// dropped, so a former primary that wakes up late is not heard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "devices/host/byte_fifo.h"
#include "devices/host/host_clock.h"
#include "devices/host/numbered_protocol.h"

namespace ftvm::devices::host {

/// Threading: one thread.
class ConsoleFollower {
 public:
  struct Options {
    /// What to call the nodes in messages; their number is the number of nodes.
    std::vector<std::string> names;
    std::uint64_t client_id = 0;
    /// The machine's name; when empty, that of the first node that answers.
    std::string pair = {};
    /// Offset of the first output byte to show; nothing means the oldest there is.
    std::optional<std::uint64_t> from = {};
  };
  explicit ConsoleFollower(Options options);

  // Connections. `now` only ever appears in messages to the user.

  void connected(std::size_t node);
  void received(std::size_t node, ByteView bytes, HostTime now);
  void disconnected(std::size_t node);
  /// To be sent to a node; the caller pops what was taken.
  ByteFifo& outbox(std::size_t node) { return nodes_.at(node).out; }
  /// The connection is of no more use: close it; disconnected() follows.
  [[nodiscard]] bool hang_up(std::size_t node) const { return nodes_.at(node).hang_up; }
  /// It will never be of use (another machine, another version): do not connect again.
  [[nodiscard]] bool given_up(std::size_t node) const { return nodes_.at(node).given_up; }

  // The user.

  void typed(ByteView bytes);
  /// So many typed bytes are taken; more must wait.
  [[nodiscard]] std::size_t typing_room() const;
  /// All that was typed has reached the guest for good.
  [[nodiscard]] bool all_confirmed() const { return pending_.empty(); }
  /// To be shown; the caller pops what it has written and then calls shown().
  ByteFifo& screen() { return screen_; }
  void shown();
  /// Short lines about the connection, for stderr; each is given once.
  std::vector<std::string> take_messages();
  /// Announces a failover after which the guest prints nothing. To be called now and then.
  void on_time(HostTime now);

  /// Set when the run has ended and all of its output is on the screen or was shown.
  [[nodiscard]] std::optional<EndReason> ended() const { return ended_; }
  [[nodiscard]] std::optional<std::size_t> followed() const { return followed_; }
  [[nodiscard]] Epoch epoch() const { return epoch_; }
  /// Offset of the next output byte.
  [[nodiscard]] std::uint64_t next_output() const { return next_output_.value_or(0); }

 private:
  enum class Keyboard { kNone, kAsked, kHeld };
  struct Node {
    ConsoleFrameReader in;
    ByteFifo out;
    bool greeted = false;
    bool hang_up = false;
    bool given_up = false;
    Keyboard keyboard = Keyboard::kNone;
    std::uint64_t told_shown = 0;  // Last offset it was told.
  };

  void handle(std::size_t index, const ConsoleNode& message, HostTime now);
  void handle(std::size_t index, const ConsoleOutput& message, HostTime now);
  void handle(std::size_t index, const ConsoleGap& message, HostTime now);
  void handle(std::size_t index, const ConsoleAck& message, HostTime now);
  void handle(std::size_t index, const ConsoleRefusal& message, HostTime now);
  void handle(std::size_t index, const ConsoleEnd& message, HostTime now);
  void handle(std::size_t index, const ConsoleBye& message, HostTime now);
  template <class Other>
  void handle(std::size_t index, const Other& message, HostTime now);

  [[nodiscard]] bool heeded(std::size_t index, Epoch epoch) const;
  void follow(std::size_t index, const ConsoleNode& message, HostTime now);
  void renumber_typed(const ConsoleAck& granted);
  void confirm_typed(std::uint64_t confirmed);
  void send_typed();
  void announce_failover(HostTime now);
  void refuse_node(std::size_t index, const std::string& why);
  void say(const std::string& text);

  std::vector<std::string> names_;
  std::uint64_t client_id_;
  std::string pair_;
  std::vector<Node> nodes_;

  std::optional<std::size_t> followed_;
  Epoch epoch_;  // The highest of any live node.
  std::optional<std::size_t> last_followed_;
  std::optional<EndReason> ended_;

  // Output.
  std::optional<std::uint64_t> next_output_;
  ByteFifo screen_;

  // Input: pending_ holds the bytes with the offsets base_, base_ + 1, ... Those before sent_ were
  // sent to the followed node, those before ever_sent_ to some node.
  ByteFifo pending_;
  std::uint64_t base_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t ever_sent_ = 0;
  bool blocked_ = false;  // The node was full; wait for its next ack.
  bool had_keyboard_ = false;

  std::vector<std::string> messages_;
  std::string last_message_;             // A node that refuses again and again is told of once.
  std::optional<HostTime> output_at_;    // The last output, for the length of a failover.
  std::optional<HostTime> failover_at_;  // Of one that was not announced yet.
};

}  // namespace ftvm::devices::host
