#include "ftcore/protocol/session_core.h"

#include <algorithm>
#include <variant>

#include "emulator/base/assert.h"
#include "emulator/base/diag.h"
#include "emulator/base/mark.h"

namespace ftvm::ftcore {

SessionCore::SessionCore(Role role, Uuid incarnation)
    : role_(role), gate_(gate_mode(role)), detector_({}), incarnation_(incarnation) {
  FTVM_ASSERT(!incarnation.is_zero());
}

HostTime SessionCore::advance(HostTime now) {
  now_ = std::max(now_, now);
  return now_;
}

bool SessionCore::step(RoleEvent event) {
  const std::optional<Role> to = next_role(role_, event);
  if (!to) {
    ++counters_.illegal_events;
    FTVM_DIAG(kWarn, "role.ignored").kv("role", role_name(role_)).kv("on", role_event_name(event));
    return false;
  }
  FTVM_DIAG(kInfo, "role.changed")
      .kv("from", role_name(role_))
      .kv("on", role_event_name(event))
      .kv("to", role_name(*to))
      .kv("epoch", peer_.epoch.value);
  FTVM_ASSERT(!is_final(role_));
  role_ = *to;
  gate_.set_mode(gate_mode(role_));
  FTVM_ASSERT(may_release_output(role_) ==
              (gate_.mode() == GateMode::kOpen || gate_.mode() == GateMode::kClosed));
  return true;
}

void SessionCore::set_peer(const Peer& peer, std::int64_t detection_ns) {
  FTVM_ASSERT(!is_final(role_));
  FTVM_ASSERT(peer.epoch >= peer_.epoch);
  peer_ = peer;
  detection_ns_ = detection_ns;
  heartbeat_number_ = 0;
  channel_open_ = !peer.session.is_zero();
  detector_ = FailureDetector({.detection_ns = detection_ns});
  if (channel_open_) detector_.start(now_);
  sent_at_ = now_;
}

Origin SessionCore::origin_of(const Message& message) const {
  if (peer_.pair.is_zero() || message.pair != peer_.pair) return Origin::kStranger;
  const auto* higher = std::get_if<HigherEpoch>(&message.body);
  if (message.epoch > peer_.epoch) return Origin::kNewer;
  if (higher != nullptr && higher->epoch > peer_.epoch) return Origin::kNewer;
  if (message.epoch < peer_.epoch) return Origin::kFormer;
  if (peer_.session.is_zero() || message.session != peer_.session) return Origin::kStranger;
  return Origin::kPeer;
}

bool SessionCore::admit(const Message& message) {
  if (is_final(role_)) return false;
  switch (origin_of(message)) {
    case Origin::kPeer:
      break;
    case Origin::kStranger:
      ignore("stranger");
      return false;
    case Origin::kFormer:
      ignore("former");
      // One answer per detection time: enough to stop it, too little to flood it.
      if (!fenced_at_ || now_.ns - fenced_at_->ns >= detection_ns_) {
        FTVM_MARK("session.fenced");
        fenced_at_ = now_;
        answer_sender(HigherEpoch{peer_.epoch});
      }
      return false;
    case Origin::kNewer:
      halt(RoleEvent::kHigherEpoch, "the pair is in epoch " + std::to_string(message.epoch.value) +
                                        " or later, this node is of epoch " +
                                        std::to_string(peer_.epoch.value));
      return false;
  }
  if (!channel_open_) {
    ignore("closed");
    return false;
  }
  detector_.on_channel(now_);
  return true;
}

void SessionCore::admit(const Heartbeat& heartbeat, HostTime arrived) {
  FTVM_ASSERT(arrived <= now_);
  if (is_final(role_)) return;
  if (peer_.session.is_zero() || heartbeat.session != peer_.session) {
    return ignore("heartbeat of another session");
  }
  if (heartbeat.epoch > peer_.epoch) {
    return halt(RoleEvent::kHigherEpoch,
                "the peer went on in epoch " + std::to_string(heartbeat.epoch.value));
  }
  if (heartbeat.epoch < peer_.epoch || heartbeat.number <= heartbeat_number_) {
    return ignore("old heartbeat");
  }
  heartbeat_number_ = heartbeat.number;
  detector_.on_heartbeat(arrived);
  detector_.on_paused(heartbeat.paused, arrived);
  detector_.on_progress(heartbeat.progress, arrived);
}

void SessionCore::send(Body body, Send::To to) {
  FTVM_ASSERT(channel_open_);
  FTVM_ASSERT(!peer_.session.is_zero());
  sent_at_ = now_;
  act(Send{{peer_.pair, peer_.session, peer_.epoch, std::move(body)}, to});
}

void SessionCore::answer_sender(Body body) {
  act(Send{{peer_.pair, Uuid{}, peer_.epoch, std::move(body)}, Send::To::kSender});
}

bool SessionCore::quiet_for(std::int64_t quiet_ns) const {
  return channel_open_ && now_.ns - sent_at_.ns >= quiet_ns;
}

void SessionCore::close_channel() {
  if (!channel_open_) return;
  channel_open_ = false;
  detector_.on_channel_closed();
}

void SessionCore::break_channel(const std::string& why) {
  FTVM_ASSERT(channel_open_);
  FTVM_MARK("session.gap");
  FTVM_DIAG(kWarn, "session.broken").kv("why", why).kv("role", role_name(role_));
  ++counters_.gaps;
  close_channel();
  act(CloseChannel{});
}

void SessionCore::act(Action action) {
  FTVM_ASSERT(actions_.size() < kActionsMax);
  actions_.push_back(std::move(action));
}

void SessionCore::release() {
  std::vector<Output> outputs = gate_.take_releasable();
  if (outputs.empty()) return;
  FTVM_ASSERT(may_release_output(role_));
  act(Release{std::move(outputs)});
}

void SessionCore::halt(RoleEvent event, const std::string& reason) {
  if (!step(event)) return;
  FTVM_ASSERT(role_ == Role::kHalted);
  FTVM_ASSERT(gate_.mode() == GateMode::kDropped);
  FTVM_DIAG(kWarn, "node.halted").kv("why", reason);
  detector_.stop();
  act(StopHeartbeats{});
  if (channel_open_) act(CloseChannel{});
  channel_open_ = false;
  act(Halt{reason});
}

void SessionCore::finish(EndReason reason, std::string note) {
  FTVM_ASSERT(role_ == Role::kFinished);
  detector_.stop();
  act(StopHeartbeats{});
  if (channel_open_) act(CloseChannel{});
  channel_open_ = false;
  act(Finish{reason, std::move(note)});
}

void SessionCore::arbitrate() {
  FTVM_ASSERT(role_ == Role::kArbitrating);
  FTVM_ASSERT(gate_.mode() == GateMode::kShut);
  FTVM_ASSERT(!arbitrating_);
  FTVM_ASSERT(peer_.epoch.value > 0);
  arbitrating_ = true;
  detector_.stop();
  arbitrate_again();
}

void SessionCore::arbitrate_again() {
  if (role_ != Role::kArbitrating || asking_ || won_ || !arbiter_backoff_.due(now_)) return;
  asking_ = true;
  act(Arbitrate{peer_.pair, peer_.epoch, incarnation_});
}

bool SessionCore::on_arbiter(Epoch epoch, ArbiterAnswer answer) {
  if (role_ != Role::kArbitrating || !asking_ || epoch != peer_.epoch) {
    ignore("arbiter's answer");
    return false;
  }
  asking_ = false;
  switch (answer) {
    case ArbiterAnswer::kWon:
      won_ = true;
      return true;
    case ArbiterAnswer::kLost:
      halt(RoleEvent::kLost, "lost the arbitration of epoch " + std::to_string(epoch.value) +
                                 ": the other node is live");
      return true;
    case ArbiterAnswer::kUnknown:
      break;
  }
  FTVM_MARK("arbiter.unknown");
  ++counters_.arbiter_unknown;
  arbiter_backoff_.postpone(now_);
  return false;
}

void SessionCore::go_live(bool journal) {
  FTVM_ASSERT(won_);
  FTVM_ASSERT(role_ == Role::kArbitrating);
  peer_.epoch = peer_.epoch.next();
  const bool stepped = step(RoleEvent::kWon);
  FTVM_ASSERT(stepped);
  FTVM_ASSERT(role_ == Role::kLone);
  act(GoLive{peer_.epoch});
  if (journal) act(Journal{replay::Alone{peer_.epoch}});
  // Whoever still listens as a node of the epoch before halts on this. The session stays, so that
  // late messages and heartbeats of the other side are recognised and answered.
  act(Send{{peer_.pair, peer_.session, peer_.epoch, HigherEpoch{peer_.epoch}}, Send::To::kPeer});
  release();
}

void SessionCore::ignore(const char* what) {
  ++counters_.ignored;
  FTVM_DIAG(kDebug, "message.ignored").kv("what", what).kv("role", role_name(role_));
}

}  // namespace ftvm::ftcore
