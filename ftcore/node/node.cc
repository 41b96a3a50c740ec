#include "ftcore/node/node.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "emulator/base/assert.h"
#include "emulator/base/diag.h"
#include "emulator/base/kill_point.h"
#include "ftcore/transport/wire_codec.h"

// What the session decides is carried out in node_actions.cc.

namespace ftvm::ftcore {
namespace {

constexpr int kVcpuWaitMs = 5;

}  // namespace

Node::Node(NodeParts parts, std::unique_ptr<Session> session, HeartbeatSide side, Uuid incarnation)
    : channel_(std::move(parts.channel)),
      heartbeats_(std::move(parts.heartbeats)),
      arbiter_(std::move(parts.arbiter)),
      console_(*parts.console),
      debug_sink_(std::move(parts.debug_sink)),
      peer_host_(std::move(parts.peer_host)),
      side_(side),
      incarnation_(incarnation),
      session_(std::move(session)),
      release_offset_(side == HeartbeatSide::kBackup) {
  orders_.paused = session_->paused();
}

Node::~Node() {
  stopping_.store(true);
  node_wake_.notify();
  if (thread_.joinable()) thread_.join();
}

HostTime Node::now() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return HostTime{std::chrono::duration_cast<std::chrono::nanoseconds>(since).count()};
}

void Node::start() {
  with_session([](Session&, HostTime) {});
  thread_ = std::thread([this] { run(); });
}

// --- the node thread

void Node::run() {
  while (!stopping_.load()) poll_once();
  carry_out();  // A last Bye or acknowledgement.
}

void Node::poll_once() {
  const auto descriptor = [](const auto& part) { return part ? part->descriptor() : -1; };
  std::array<pollfd, 4> fds{{{node_wake_.fd(), POLLIN, 0},
                             {descriptor(channel_), POLLIN, 0},
                             {descriptor(arbiter_), POLLIN, 0},
                             {descriptor(control_), POLLIN, 0}}};
  ::poll(fds.data(), fds.size(), poll_ms());
  node_wake_.drain();
  wake();
  if (heartbeats_) heartbeats_->set_paused(paused() || idle_.load());
  // Whatever was sent may have used up the edge of ZeroMQ's descriptor; the others show a level.
  if (channel_) receive_channel();
  if (heartbeats_) receive_heartbeats();
  if (fds[2].revents != 0) receive_arbiter();
  if (fds[3].revents != 0) control_->poll();
  with_session([](Session& session, HostTime at) { session.on_tick(at); });
  confirm_outputs();
  carry_out();
  confirm_inputs();
}

bool Node::paused() const {
  return inspect([](const Session& session) { return session.paused(); });
}

/// Until the session has something to do, in whole milliseconds.
int Node::poll_ms() {
  const MutexLock lock(mutex_);
  const std::int64_t ms = sleep_.begins(session_->next_due(), now());
  return actions_.empty() ? static_cast<int>(ms) : 0;
}

void Node::wake() {
  const MutexLock lock(mutex_);
  sleep_.ends();
}

void Node::receive_channel() {
  while (std::optional<ChannelEvent> event = channel_->receive()) {
    switch (event->kind) {
      case ChannelEvent::Kind::kConnected:
        sender_ = peer_ = event->peer;
        if (unsent_hello_) (void)channel_->send(peer_, *std::exchange(unsent_hello_, std::nullopt));
        break;
      case ChannelEvent::Kind::kMessage:
        receive_message(*event);
        carry_out();
        break;
      case ChannelEvent::Kind::kDisconnected:
        if (event->peer != peer_) break;
        peer_ = {};
        with_session([](Session& session, HostTime at) { session.on_channel_closed(at); });
        break;
      case ChannelEvent::Kind::kHandshakeFailed:
        if (const auto more = channel_refusals_.admit(now())) {
          FTVM_DIAG(kWarn, "channel.refused").kv("why", event->reason).kv("more", *more);
        }
        break;
    }
  }
}

void Node::receive_message(const ChannelEvent& event) {
  Result<Message> message = decode_message(event.bytes);
  if (!message) {
    if (const auto more = message_refusals_.admit(now())) {
      FTVM_DIAG(kWarn, "message.refused").kv("why", message.error().message()).kv("more", *more);
    }
    if (event.peer == peer_) {
      with_session([](Session& session, HostTime at) { session.on_channel_closed(at); });
    }
    // Who speaks another version is told, in its own; to it our words would be garbage.
    if (const auto version = foreign_version(event.bytes)) {
      (void)channel_->send(event.peer, encode_refusal(*version, message.error().message()));
    }
    channel_->drop(event.peer);
    return;
  }
  // A session lives on one connection; what somebody repeats of it on another is not the peer's.
  // Other epochs are heard from anywhere: that is how an old node learns that it is old.
  const Epoch epoch = inspect([](const Session& session) { return session.epoch(); });
  const bool hello = std::holds_alternative<Hello>(message->body);
  if (event.peer != peer_ && !hello && message->epoch == epoch) {
    FTVM_DIAG(kDebug, "message.ignored").kv("what", "another connection");
    return;
  }
  sender_ = event.peer;
  sender_host_ = event.peer_address.empty() ? peer_host_ : event.peer_address;
  with_session([&](Session& session, HostTime at) { session.on_message(*message, at); });
}

void Node::receive_heartbeats() {
  while (const auto received = heartbeats_->poll()) {
    with_session([&](Session& session, HostTime) {
      session.on_heartbeat(received->heartbeat, received->at);
    });
  }
}

void Node::receive_arbiter() {
  while (const auto event = arbiter_->poll()) {
    FTVM_DIAG(kInfo, "arbiter.answered")
        .kv("epoch", event->call.epoch.value)
        .kv("answer", std::visit([](auto answer) { return answer_name(answer); }, event->answer))
        .kv("why", event->reason);
    with_session([&](Session& session, HostTime at) {
      if (const auto* answer = std::get_if<ArbiterAnswer>(&event->answer)) {
        session.on_arbiter(event->call.epoch, *answer, at);
      } else {
        session.on_slot(event->call.epoch, std::get<SlotAnswer>(event->answer), at);
      }
    });
  }
}

void Node::confirm_inputs() {
  std::uint64_t confirmed = 0;
  {
    const MutexLock lock(mutex_);
    const JournalSeq kept = session_->kept();
    while (!typed_.empty() && typed_.front().seq <= kept) {
      confirmed = typed_.front().end;
      typed_.pop_front();
    }
  }
  if (confirmed != 0) console_.confirm_input(confirmed);
}

/// Told to the backup, which need not put out again what somebody has who outlives this process.
void Node::confirm_outputs() {
  if (side_ != HeartbeatSide::kPrimary) return;
  const std::uint64_t offset = console_.confirmed_output();
  const MutexLock lock(mutex_);
  const JournalSeq mark = receipts_.confirmed(offset);
  session_->on_confirmed(mark, now());
}

// --- from the vCPU thread

void Node::on_record(const replay::Record& record) {
  if (const auto* typed = std::get_if<ConsoleBytes>(&record.body)) {
    const MutexLock lock(mutex_);
    typed_.push_back({record.seq, typed->offset + typed->bytes.size()});
  }
  if (std::holds_alternative<replay::Protected>(record.body)) {
    FTVM_KILL_POINT("protected.mark_to_send");
  }
  with_session([&](Session& session, HostTime at) { session.on_record(record, at); });
}

void Node::on_output(JournalSeq mark, const Output& output) {
  FTVM_KILL_POINT("gate.mark_to_send");
  if (side_ == HeartbeatSide::kPrimary) {
    const MutexLock lock(mutex_);
    receipts_.emitted(mark, output);
  }
  with_session([&](Session& session, HostTime at) { session.on_output(mark, output, at); },
               &output);
}

void Node::on_progress(Tick tick) {
  if (heartbeats_) heartbeats_->set_progress(tick);
  with_session([&](Session& session, HostTime at) { session.on_progress(tick, at); });
}

void Node::on_executed(Tick tick, JournalSeq consumed) {
  if (heartbeats_) heartbeats_->set_progress(tick);
  with_session([&](Session& session, HostTime at) { session.on_executed(tick, consumed, at); });
}

void Node::on_drained() {
  with_session([](Session& session, HostTime at) { session.on_drained(at); });
}

void Node::on_diverged(const std::string& text) {
  with_session([&](Session& session, HostTime at) { session.on_diverged(text, at); });
}

void Node::on_end(EndReason reason) {
  with_session([&](Session& session, HostTime at) { session.on_end(reason, at); });
}

void Node::on_leave() {
  with_session([](Session& session, HostTime at) { session.on_leave(at); });
}

void Node::pause(bool paused) {
  with_session([&](Session& session, HostTime at) { session.on_pause(paused, at); });
}

void Node::set_idle(bool idle) {
  idle_.store(idle);
}

Orders Node::take_orders() {
  const MutexLock lock(mutex_);
  Orders taken = orders_;
  orders_.journal.clear();
  orders_.records.clear();
  orders_.grant.reset();
  return taken;
}

void Node::wait_for_orders() {
  pollfd fd{vcpu_wake_.fd(), POLLIN, 0};
  ::poll(&fd, 1, kVcpuWaitMs);
  vcpu_wake_.drain();
}

}  // namespace ftvm::ftcore
