#include "devices/host/numbered_hub.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "emulator/base/assert.h"
#include "emulator/base/diag.h"

namespace ftvm::devices::host {
namespace {

/// Output is encoded ahead of a client's socket up to here; the ring holds the rest.
constexpr std::size_t kFillBytes = 32 << 10;

}  // namespace

NumberedHub::NumberedHub(Options options)
    : options_(std::move(options)), ring_(options_.ring_bytes) {
  FTVM_ASSERT(options_.pair.size() <= kPairNameBytesMax);
  FTVM_ASSERT(options_.send_bytes_max > kFillBytes + kFrameBodyBytesMax);
}

void NumberedHub::connected(Connection id) {
  const bool full = clients_.size() >= options_.clients_max;
  const auto [at, added] = clients_.try_emplace(id);
  FTVM_ASSERT(added);
  if (full) bye(at->second, ConsoleBye::Why::kFull, "too many clients");
}

void NumberedHub::received(Connection id, ByteView bytes) {
  Client& client = clients_.at(id);
  if (client.closing) return;
  client.in.push(bytes);
  while (!client.closing) {
    Result<std::optional<ConsoleMessage>> next = client.in.next();
    if (!next) {
      const bool version = next.error().code() == ErrorCode::kMismatch;
      FTVM_DIAG(kWarn, "console.bad_client").kv("why", next.error().message());
      bye(client, version ? ConsoleBye::Why::kVersion : ConsoleBye::Why::kProtocol,
          next.error().message());
      return;
    }
    if (!next->has_value()) return;
    std::visit([&](const auto& message) { handle(id, client, message); }, **next);
  }
}

void NumberedHub::disconnected(Connection id) {
  clients_.erase(id);
  if (keyboard_ == id) keyboard_.reset();
}

ByteView NumberedHub::sendable(Connection id) {
  Client& client = clients_.at(id);
  if (live_ && client.greeted && !client.closing) fill(client);
  return client.out.view();
}

void NumberedHub::sent(Connection id, std::size_t size) {
  Client& client = clients_.at(id);
  client.out.pop(size);
  if (size > 0) client.progress = true;
}

void NumberedHub::handle(Connection id, Client& client, const ConsoleHello& hello) {
  if (client.greeted) return bye(client, ConsoleBye::Why::kProtocol, "a second hello");
  if (!hello.pair.empty() && hello.pair != options_.pair) {
    return bye(client, ConsoleBye::Why::kPair, "this is '" + options_.pair + "'");
  }
  for (auto& [other_id, other] : clients_) {
    if (other_id == id || !other.greeted || other.id != hello.client_id || other.closing) continue;
    // Its old connection hangs; the keyboard moves with the client.
    if (keyboard_ == other_id) keyboard_ = id;
    bye(other, ConsoleBye::Why::kReplaced, "connected again");
  }
  client.greeted = true;
  client.id = hello.client_id;
  client.next_output = hello.wanted;
  client.shown = hello.wanted.value_or(0);
  say(client, node());
}

void NumberedHub::handle(Connection id, Client& client, const ConsoleKeyboard& keyboard) {
  (void)keyboard;
  if (!client.greeted) return bye(client, ConsoleBye::Why::kProtocol, "no hello");
  if (!live_ || ended_) return refuse(client, ConsoleRefusal::Why::kStandby);
  if (keyboard_.value_or(id) != id) return refuse(client, ConsoleRefusal::Why::kBusy);
  keyboard_ = id;
  say(client, ack());
}

void NumberedHub::handle(Connection id, Client& client, const ConsoleTyped& typed) {
  if (!client.greeted) return bye(client, ConsoleBye::Why::kProtocol, "no hello");
  if (!live_ || ended_) return refuse(client, ConsoleRefusal::Why::kStandby);
  // Without the keyboard its offsets may be out of date, and new bytes would pass for repeats.
  if (keyboard_ != id) return refuse(client, ConsoleRefusal::Why::kBusy);
  const StreamNumbering::Judged judged = typed_.judge(typed.offset, typed.bytes);
  if (judged.verdict == StreamNumbering::Verdict::kGap) {
    return refuse(client, ConsoleRefusal::Why::kGap);
  }
  const auto waiting = static_cast<std::size_t>(typed_.next() - confirmed_);
  const std::size_t room = options_.typed_bytes_max - waiting;
  const ByteView fits = judged.fresh.first(std::min(judged.fresh.size(), room));
  accepted_.insert(accepted_.end(), fits.begin(), fits.end());
  typed_.accept(fits.size());
  FTVM_ASSERT(typed_.next() - confirmed_ <= options_.typed_bytes_max);
  if (fits.size() < judged.fresh.size()) return refuse(client, ConsoleRefusal::Why::kFull);
  say(client, ack());
}

void NumberedHub::handle(Connection id, Client& client, const ConsoleShown& shown) {
  (void)id;
  if (!client.greeted) return bye(client, ConsoleBye::Why::kProtocol, "no hello");
  client.shown = std::max(client.shown, shown.next);
  // While this node is standby the client reads elsewhere; it needs nothing twice.
  if (!live_) client.next_output = std::max(client.next_output.value_or(0), shown.next);
}

template <class Other>
void NumberedHub::handle(Connection id, Client& client, const Other& other) {
  (void)id;
  (void)other;
  bye(client, ConsoleBye::Why::kProtocol, "a message that only servers send");
}

void NumberedHub::set_live(Epoch epoch) {
  FTVM_ASSERT(!live_ || epoch >= epoch_);
  live_ = true;
  epoch_ = epoch;
  for (auto& [id, client] : clients_) {
    if (client.greeted && !client.closing) say(client, node());
  }
}

void NumberedHub::set_input_expected(std::uint64_t offset) {
  typed_.set_next(offset);
  confirmed_ = offset;
  accepted_.clear();
}

void NumberedHub::confirm_input(std::uint64_t offset) {
  offset = std::min(offset, typed_.next());
  if (offset <= confirmed_) return;
  confirmed_ = offset;
  if (!keyboard_) return;
  Client& client = clients_.at(*keyboard_);
  if (!client.closing) say(client, ack());
}

Bytes NumberedHub::take_typed() {
  return std::exchange(accepted_, {});
}

std::uint64_t NumberedHub::confirmed() {
  std::optional<std::uint64_t> least;
  for (const auto& [id, client] : clients_) {
    if (!client.greeted || client.closing) continue;
    least = std::min(least.value_or(client.shown), client.shown);
  }
  if (least) confirmed_output_ = std::max(confirmed_output_, std::min(*least, ring_.end()));
  return confirmed_output_;
}

void NumberedHub::say(Client& client, const ConsoleMessage& message) {
  FTVM_ASSERT(!client.closing);
  encode(message, client.out);
  if (client.out.size() > options_.send_bytes_max) cut(client);
}

void NumberedHub::bye(Client& client, ConsoleBye::Why why, const std::string& text) {
  if (client.closing) return;
  say(client, ConsoleBye{.why = why, .text = text});
  client.closing = true;
}

void NumberedHub::refuse(Client& client, ConsoleRefusal::Why why) {
  say(client, ConsoleRefusal{.why = why, .next = typed_.next()});
}

void NumberedHub::cut(Client& client) {
  // Nothing can be said to somebody who does not read.
  FTVM_DIAG(kWarn, "console.slow_client").kv("waiting_bytes", client.out.size());
  client.out.clear();
  client.closing = true;
}

void NumberedHub::fill(Client& client) {
  std::uint64_t& next = client.next_output.has_value() ? *client.next_output
                                                       : client.next_output.emplace(ring_.start());
  if (next < ring_.start()) {
    if (!std::exchange(client.progress, false)) return cut(client);
    say(client, ConsoleGap{.epoch = epoch_, .from = next, .to = ring_.start()});
    next = ring_.start();
  }
  while (!client.closing && client.out.size() < kFillBytes && next < ring_.end()) {
    ConsoleRing::Read read = ring_.read(next, kPieceBytesMax);
    FTVM_ASSERT(read.offset == next);
    next += read.bytes.size();
    say(client,
        ConsoleOutput{.epoch = epoch_, .offset = read.offset, .bytes = std::move(read.bytes)});
  }
  if (ended_ && next >= ring_.end() && !client.end_told && !client.closing) {
    client.end_told = true;
    say(client, ConsoleEnd{.epoch = epoch_, .reason = *ended_, .output_end = ring_.end()});
  }
}

ConsoleNode NumberedHub::node() const {
  return {.role = live_ ? NodeRole::kLive : NodeRole::kStandby,
          .epoch = epoch_,
          .input_confirmed = confirmed_,
          .input_next = typed_.next(),
          .pair = options_.pair};
}

ConsoleAck NumberedHub::ack() const {
  return {.confirmed = confirmed_, .next = typed_.next()};
}

}  // namespace ftvm::devices::host
