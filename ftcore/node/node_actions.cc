// How a node carries out what its session decides.
#include <utility>

#include "emulator/base/diag.h"
#include "emulator/base/kill_point.h"
#include "ftcore/node/node.h"
#include "ftcore/transport/wire_codec.h"

namespace ftvm::ftcore {

void Node::carry_out() {
  while (true) {
    std::deque<Action> actions;
    {
      const MutexLock lock(mutex_);
      actions.swap(actions_);
    }
    if (actions.empty()) return;
    for (const Action& action : actions) {
      std::visit([this](const auto& one) { act(one); }, action);
    }
  }
}

void Node::act(const Send& send) {
  if (!channel_) return;
  const bool hello = std::holds_alternative<Hello>(send.message.body);
  if (std::holds_alternative<Welcome>(send.message.body)) {
    peer_ = sender_;
    heartbeat_host_ = sender_host_;
  }
  if (std::holds_alternative<Joined>(send.message.body)) heartbeat_host_ = sender_host_;
  if (std::holds_alternative<Ack>(send.message.body)) FTVM_KILL_POINT("backup.receipt_to_ack");
  Bytes bytes = encode_message(send.message);
  const PeerId to = send.to == Send::To::kPeer ? peer_ : (hello ? peer_ : sender_);
  const Status sent = to == PeerId{} ? Status(Error(ErrorCode::kClosed, "no connection"))
                                     : channel_->send(to, bytes);
  if (sent) {
    // The first message with records is the one with Protected.
    if (std::holds_alternative<Records>(send.message.body)) {
      FTVM_KILL_POINT("protected.send_to_receipt");
    }
    return;
  }
  if (hello) {
    unsent_hello_ = std::move(bytes);  // Said when there is a connection.
  } else if (to == peer_ && send.to == Send::To::kPeer) {
    FTVM_DIAG(kWarn, "channel.lost").kv("why", sent.error().message());
    with_session([](Session& session, HostTime at) { session.on_channel_closed(at); });
  }
}

void Node::act(const CloseChannel&) {
  if (channel_ && peer_ != PeerId{}) channel_->drop(peer_);
  peer_ = {};
}

void Node::act(const StartHeartbeats& start) {
  if (!heartbeats_) return;
  const Status started = heartbeats_->start_session({.session = start.session,
                                                     .epoch = start.epoch,
                                                     .key = start.key,
                                                     .side = side_,
                                                     .peer = {heartbeat_host_, start.peer_port},
                                                     .heartbeat_ms = start.period_ms});
  if (!started) FTVM_DIAG(kError, "heartbeat.refused").kv("why", started.error().message());
}

void Node::act(const StopHeartbeats&) {
  if (heartbeats_) heartbeats_->stop_session();
}

void Node::act(const OpenSlot& open) {
  const ArbiterCall call{ArbiterCall::Kind::kOpen, open.pair, open.epoch, incarnation_};
  if (arbiter_ && arbiter_->ask(call)) return;
  FTVM_DIAG(kWarn, "arbiter.busy").kv("epoch", open.epoch.value);
  with_session([&](Session& session, HostTime at) {
    session.on_slot(open.epoch, SlotAnswer::kUnreachable, at);
  });
}

void Node::act(const Arbitrate& arbitrate) {
  const ArbiterCall call{ArbiterCall::Kind::kTestAndSet, arbitrate.pair, arbitrate.epoch,
                         arbitrate.incarnation};
  if (arbiter_ && arbiter_->ask(call)) return;
  FTVM_DIAG(kWarn, "arbiter.busy").kv("epoch", arbitrate.epoch.value);
  with_session([&](Session& session, HostTime at) {
    session.on_arbiter(arbitrate.epoch, ArbiterAnswer::kUnknown, at);
  });
}

template <class Change>
void Node::order(Change change) {
  {
    const MutexLock lock(mutex_);
    change(orders_);
  }
  notify_vcpu();
}

void Node::notify_vcpu() {
  vcpu_wake_.notify();
  if (wakeup_) wakeup_();
}

void Node::act(const Journal& journal) {
  order([&](Orders& orders) { orders.journal.push_back(journal.body); });
}

void Node::act(const SetBootTime& time) {
  order([&](Orders& orders) { orders.boot_unix_s = time.boot_unix_s; });
}

void Node::act(const Deliver& deliver) {
  order([&](Orders& orders) {
    orders.records.insert(orders.records.end(), deliver.records.begin(), deliver.records.end());
  });
}

void Node::act(const Grant& grant) {
  order([&](Orders& orders) { orders.grant = grant.tick; });
}

void Node::act(const Drain&) {
  order([](Orders& orders) { orders.draining = true; });
}

void Node::act(const Release& release) {
  FTVM_KILL_POINT("gate.ack_to_release");
  if (!std::exchange(releases_, true)) {
    const MutexLock lock(mutex_);
    released_ = release_offset_.first();
  }
  for (const Output& output : release.outputs) {
    if (output.endpoint == Endpoint::kDebug && debug_sink_) debug_sink_(output.bytes);
    if (output.endpoint != Endpoint::kConsole) continue;
    console_.write(released_, output.bytes);
    released_ += output.bytes.size();
  }
  FTVM_KILL_POINT("gate.release_to_confirm");
}

void Node::act(const GoLive& live) {
  FTVM_DIAG(kInfo, "node.live").kv("epoch", live.epoch.value);
  order([&](Orders& orders) { orders.live = live.epoch; });
}

void Node::act(const Halt& halt) {
  order([&](Orders& orders) { orders.halted = halt.reason; });
}

void Node::act(const Finish& finish) {
  order([&](Orders& orders) { orders.finished = Orders::Finished{finish.reason, finish.note}; });
}

void Node::act(const SetDuty& duty) {
  order([&](Orders& orders) { orders.duty = duty.duty; });
}

void Node::act(const SetPaused& paused) {
  order([&](Orders& orders) { orders.paused = paused.paused; });
}

}  // namespace ftvm::ftcore
