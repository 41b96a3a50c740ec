#include "devices/host/console_follower.h"

#include <algorithm>
#include <cstdio>
#include <utility>
#include <variant>

#include "emulator/base/assert.h"

namespace ftvm::devices::host {
namespace {

/// Typed bytes kept until they are confirmed.
constexpr std::size_t kPendingBytesMax = 64 << 10;
/// Of those, sent ahead of the confirmation.
constexpr std::uint64_t kTypedWindowBytes = 16 << 10;
constexpr std::size_t kTypedPieceBytes = 4 << 10;
constexpr std::size_t kMessagesMax = 64;
/// A guest that prints nothing for so long after a failover does not delay the message about it.
constexpr std::uint64_t kQuietFailoverNs = 500'000'000;

/// Reasons for which a machine is gone, not only this node.
bool ends_the_machine(EndReason reason) {
  switch (reason) {
    case EndReason::kHandOver:
    case EndReason::kDiskFull:
    case EndReason::kDiverged:
    case EndReason::kHalted:
      return false;
    default:
      return true;
  }
}

std::string seconds_text(std::uint64_t ns) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f s", static_cast<double>(ns) / 1e9);
  return text;
}

}  // namespace

ConsoleFollower::ConsoleFollower(Options options)
    : names_(std::move(options.names)),
      client_id_(options.client_id),
      pair_(std::move(options.pair)),
      nodes_(names_.size()),
      next_output_(options.from) {
  FTVM_ASSERT(pair_.size() <= kPairNameBytesMax);
}

void ConsoleFollower::connected(std::size_t node) {
  const bool given_up = nodes_.at(node).given_up;
  nodes_.at(node) = Node{};
  nodes_.at(node).given_up = given_up;
  encode(ConsoleHello{.client_id = client_id_, .wanted = next_output_, .pair = pair_},
         nodes_.at(node).out);
}

void ConsoleFollower::disconnected(std::size_t node) {
  const bool given_up = nodes_.at(node).given_up;
  nodes_.at(node) = Node{};
  nodes_.at(node).given_up = given_up;
  if (followed_ != node) return;
  followed_.reset();
  if (!ended_) say("lost " + names_[node]);
}

void ConsoleFollower::received(std::size_t node, ByteView bytes, HostTime now) {
  Node& from = nodes_.at(node);
  if (from.hang_up) return;
  from.in.push(bytes);
  while (!from.hang_up) {
    Result<std::optional<ConsoleMessage>> next = from.in.next();
    if (!next) {
      refuse_node(node, next.error().message());
      from.given_up = next.error().code() == ErrorCode::kMismatch;
      return;
    }
    if (!next->has_value()) break;
    std::visit([&](const auto& message) { handle(node, message, now); }, **next);
  }
  send_typed();
}

void ConsoleFollower::handle(std::size_t index, const ConsoleNode& message, HostTime now) {
  Node& node = nodes_[index];
  if (pair_.empty()) pair_ = message.pair;
  if (message.pair != pair_) {
    refuse_node(index, "is the machine '" + message.pair + "', not '" + pair_ + "'");
    node.given_up = true;
    return;
  }
  node.greeted = true;
  if (message.role != NodeRole::kLive) return;
  const bool newer = !last_followed_ || message.epoch > epoch_;
  // Of two live nodes with one epoch the first is kept; that should never be seen.
  const bool same = message.epoch == epoch_ && followed_.value_or(index) == index;
  if (newer || same) follow(index, message, now);
}

bool ConsoleFollower::heeded(std::size_t index, Epoch epoch) const {
  return followed_ == index && epoch == epoch_;
}

void ConsoleFollower::handle(std::size_t index, const ConsoleOutput& message, HostTime now) {
  if (!heeded(index, message.epoch)) return;
  const std::uint64_t end = message.offset + message.bytes.size();
  const std::uint64_t next = next_output_.value_or(message.offset);
  if (end <= next) return;
  if (message.offset > next) say(std::to_string(message.offset - next) + " bytes are missing");
  const std::uint64_t known = next - std::min(next, message.offset);
  screen_.push(ByteView(message.bytes).subspan(static_cast<std::size_t>(known)));
  next_output_ = end;
  announce_failover(now);
  output_at_ = now;
}

void ConsoleFollower::handle(std::size_t index, const ConsoleGap& message, HostTime now) {
  (void)now;
  if (!heeded(index, message.epoch)) return;
  const std::uint64_t next = next_output_.value_or(message.to);
  if (message.to <= next) return;
  say(std::to_string(message.to - next) + " bytes of output are gone");
  next_output_ = message.to;
}

void ConsoleFollower::handle(std::size_t index, const ConsoleAck& message, HostTime now) {
  (void)now;
  if (followed_ != index) return;
  blocked_ = false;
  if (nodes_[index].keyboard == Keyboard::kHeld) return confirm_typed(message.confirmed);
  nodes_[index].keyboard = Keyboard::kHeld;
  had_keyboard_ = true;
  renumber_typed(message);
}

void ConsoleFollower::handle(std::size_t index, const ConsoleRefusal& message, HostTime now) {
  (void)now;
  if (followed_ != index) return;
  switch (message.why) {
    case ConsoleRefusal::Why::kBusy:
      // What was typed would come out in the middle of somebody else's line, much later.
      if (!pending_.empty()) say("another client has the keyboard; typed bytes were dropped");
      pending_.clear();
      base_ = sent_ = ever_sent_;
      had_keyboard_ = false;
      nodes_[index].keyboard = Keyboard::kNone;
      break;
    case ConsoleRefusal::Why::kGap:
    case ConsoleRefusal::Why::kFull:
      // Connecting again finds a common number; confirmed bytes are never lost.
      if (message.next < base_) return refuse_node(index, "has lost typed bytes");
      sent_ = std::clamp(message.next, base_, ever_sent_);
      blocked_ = blocked_ || message.why == ConsoleRefusal::Why::kFull;
      break;
    case ConsoleRefusal::Why::kStandby:
      blocked_ = true;
      break;
  }
}

void ConsoleFollower::handle(std::size_t index, const ConsoleEnd& message, HostTime now) {
  (void)now;
  if (!heeded(index, message.epoch)) return;
  if (ends_the_machine(message.reason)) {
    ended_ = message.reason;
    say("the machine has ended: " + end_reason_text(message.reason));
  } else {
    refuse_node(index, "has left: " + std::string(end_reason_name(message.reason)));
  }
}

void ConsoleFollower::handle(std::size_t index, const ConsoleBye& message, HostTime now) {
  (void)now;
  refuse_node(index, "says: " + message.text);
  nodes_[index].given_up =
      message.why == ConsoleBye::Why::kVersion || message.why == ConsoleBye::Why::kPair;
}

template <class Other>
void ConsoleFollower::handle(std::size_t index, const Other& message, HostTime now) {
  (void)message;
  (void)now;
  refuse_node(index, "sends messages that only clients send");
}

void ConsoleFollower::refuse_node(std::size_t index, const std::string& why) {
  say(names_[index] + " " + why);
  nodes_[index].hang_up = true;
}

void ConsoleFollower::say(const std::string& text) {
  if (messages_.size() >= kMessagesMax || text == last_message_) return;
  last_message_ = text;
  messages_.push_back("[" + text + "]");
}

void ConsoleFollower::follow(std::size_t index, const ConsoleNode& message, HostTime now) {
  const std::string epoch = "epoch " + std::to_string(message.epoch.value);
  if (!last_followed_) {
    say("connected to " + names_[index] + ", " + epoch);
  } else if (last_followed_ != index) {
    failover_at_ = now;
  } else if (message.epoch != epoch_) {
    say("still " + names_[index] + ", " + epoch);
  } else if (!followed_) {
    say("connected to " + names_[index] + " again");
  }
  followed_ = last_followed_ = index;
  epoch_ = message.epoch;
  blocked_ = false;
}

/// Fits the typed bytes to what the node has. Sent bytes that it has (or has had) are not sent
/// again; bytes that no node was ever sent follow behind whatever is next there.
void ConsoleFollower::renumber_typed(const ConsoleAck& granted) {
  confirm_typed(granted.confirmed);
  if (base_ == ever_sent_) {
    base_ = sent_ = ever_sent_ = granted.next;
    return;
  }
  if (granted.next < base_) {
    // Our numbers counted bytes of another client that have died with its node.
    ever_sent_ = granted.next + (ever_sent_ - base_);
    base_ = granted.next;
  }
  sent_ = std::clamp(granted.next, base_, ever_sent_);
}

void ConsoleFollower::confirm_typed(std::uint64_t confirmed) {
  confirmed = std::min(confirmed, ever_sent_);
  if (confirmed <= base_) return;
  pending_.pop(static_cast<std::size_t>(confirmed - base_));
  base_ = confirmed;
  sent_ = std::max(sent_, base_);
}

void ConsoleFollower::typed(ByteView bytes) {
  FTVM_ASSERT(bytes.size() <= typing_room());
  pending_.push(bytes);
  send_typed();
}

std::size_t ConsoleFollower::typing_room() const {
  return kPendingBytesMax - pending_.size();
}

void ConsoleFollower::send_typed() {
  if (!followed_ || nodes_[*followed_].hang_up || blocked_) return;
  Node& node = nodes_[*followed_];
  if (node.keyboard == Keyboard::kNone && (had_keyboard_ || !pending_.empty())) {
    node.keyboard = Keyboard::kAsked;
    encode(ConsoleKeyboard{}, node.out);
  }
  if (node.keyboard != Keyboard::kHeld) return;
  while (sent_ < base_ + pending_.size() && sent_ - base_ < kTypedWindowBytes) {
    const ByteView rest = pending_.view().subspan(static_cast<std::size_t>(sent_ - base_));
    const ByteView piece = rest.first(std::min(rest.size(), kTypedPieceBytes));
    encode(ConsoleTyped{.offset = sent_, .bytes = Bytes(piece.begin(), piece.end())}, node.out);
    sent_ += piece.size();
    ever_sent_ = std::max(ever_sent_, sent_);
  }
}

void ConsoleFollower::shown() {
  if (!next_output_) return;
  const std::uint64_t next = *next_output_ - screen_.size();
  for (Node& node : nodes_) {
    if (!node.greeted || node.hang_up || node.told_shown >= next) continue;
    node.told_shown = next;
    encode(ConsoleShown{.next = next}, node.out);
  }
}

std::vector<std::string> ConsoleFollower::take_messages() {
  return std::exchange(messages_, {});
}

void ConsoleFollower::on_time(HostTime now) {
  if (failover_at_ && now.ns - failover_at_->ns >= kQuietFailoverNs) {
    output_at_.reset();
    announce_failover(now);
  }
}

void ConsoleFollower::announce_failover(HostTime now) {
  if (!failover_at_ || !followed_) return;
  failover_at_.reset();
  std::string text =
      "failover: now " + names_[*followed_] + ", epoch " + std::to_string(epoch_.value);
  if (output_at_) text += ", " + seconds_text(now.ns - output_at_->ns) + " without output";
  say(text);
}

}  // namespace ftvm::devices::host
