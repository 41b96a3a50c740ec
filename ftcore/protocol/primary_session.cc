#include "ftcore/protocol/primary_session.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <variant>

#include "emulator/base/assert.h"
#include "emulator/base/diag.h"
#include "emulator/base/mark.h"
#include "ftcore/protocol/planned_end.h"

// The handshake is in primary_join.cc.

namespace ftvm::ftcore {

PrimarySession::PrimarySession(Options options, HostTime now)
    : options_(std::move(options)),
      core_(Role::kWaiting, options_.incarnation),
      buffer_(options_.buffer),
      lag_(options_.lag),
      recorded_(options_.start_seq),
      progress_(options_.start),
      granted_(options_.start),
      executed_(options_.start) {
  FTVM_ASSERT(!options_.pair.is_zero());
  FTVM_ASSERT(options_.epoch.value > 0);
  FTVM_ASSERT(options_.heartbeat_ms > 0);
  FTVM_ASSERT(options_.heartbeat_ms <= options_.detection_ms / 2);
  core_.advance(now);
  const Epoch epoch = options_.alone ? Epoch{0} : options_.epoch;
  core_.set_peer({options_.pair, Uuid{}, epoch}, detection_ns());
  if (!options_.alone) return;
  const bool stepped = core_.step(RoleEvent::kStartAlone);
  FTVM_ASSERT(stepped);
  started_ = true;
  settle();
}

void PrimarySession::on_message(const Message& message, HostTime now) {
  core_.advance(now);
  if (is_final(core_.role())) return;
  if (const auto* hello = std::get_if<Hello>(&message.body)) {
    on_hello(*hello);
  } else if (core_.admit(message)) {
    dispatch(message);
  }
  settle();
}

void PrimarySession::dispatch(const Message& message) {
  const Role role = core_.role();
  if (role != Role::kJoining && role != Role::kPrimary && role != Role::kEnding) {
    core_.ignore("the session is over");
  } else if (const auto* joined = std::get_if<Joined>(&message.body)) {
    on_joined(*joined);
  } else if (const auto* ack = std::get_if<Ack>(&message.body)) {
    on_ack(*ack);
  } else if (const auto* keepalive = std::get_if<Keepalive>(&message.body)) {
    core_.detector().on_paused(keepalive->paused, core_.now());
  } else if (const auto* bye = std::get_if<Bye>(&message.body)) {
    on_left("it left: " + bye->reason);
  } else if (const auto* refuse = std::get_if<Refuse>(&message.body)) {
    on_left("it refused: " + refuse->reason);
  } else {
    core_.ignore("not a backup's message");
  }
}

void PrimarySession::on_ack(const Ack& ack) {
  if (!joined_) return core_.ignore("ack before joined");
  if (ack.executed < executed_ || ack.executed > granted_) {
    return break_off("the backup executed to " + std::to_string(ack.executed.value) +
                     ", granted was " + std::to_string(granted_.value));
  }
  const Status taken = buffer_.on_ack(ack.accepted, ack.room_bytes);
  if (!taken) return break_off(taken.error().message());
  executed_ = ack.executed;
  core_.detector().on_progress(executed_, core_.now());
  if (core_.role() == Role::kJoining) return;
  FTVM_ASSERT(core_.gate().mode() == GateMode::kClosed);
  FTVM_ASSERT(buffer_.accepted() <= buffer_.sent());
  core_.gate().acknowledge(buffer_.accepted());
  if (core_.role() != Role::kPrimary || operator_paused_) return;
  const auto ms = [](std::uint64_t us) { return static_cast<double>(us) / 1000; };
  const double duty =
      lag_.on_ack(buffer_.accepted(), ms(ack.lag_us), ms(ack.backlog_us), core_.now());
  // Below one percent nobody sees a difference but the owner's mailbox.
  if (std::abs(duty - duty_told_) < 0.01 * duty_told_) return;
  duty_told_ = duty;
  core_.act(SetDuty{duty});
}

/// The backup broke the protocol: as if the channel had closed.
void PrimarySession::break_off(const std::string& why) {
  core_.break_channel(why);
  if (core_.role() == Role::kJoining) abandon_join(why);
}

void PrimarySession::on_left(const std::string& why) {
  if (core_.role() == Role::kJoining) return abandon_join(why);
  backup_lost(why);
}

void PrimarySession::on_channel_closed(HostTime now) {
  core_.advance(now);
  if (!core_.channel_open()) return;
  core_.close_channel();
  if (core_.role() == Role::kJoining) abandon_join("its channel closed");
  settle();
}

void PrimarySession::on_heartbeat(const Heartbeat& heartbeat, HostTime arrived) {
  core_.advance(arrived);
  core_.admit(heartbeat, arrived);
}

void PrimarySession::on_tick(HostTime now) {
  core_.advance(now);
  if (is_final(core_.role())) return;
  ask_slot();
  core_.arbitrate_again();
  judge_peer();
  tell_confirmed();
  if (connected() && core_.quiet_for(detection_ns() / 4)) core_.send(Keepalive{paused_});
  settle();
}

HostTime PrimarySession::next_due() const {
  HostTime due = core_.tick_due();
  if (!connected() || core_.role() == Role::kJoining) return due;
  due = std::min(due, buffer_.due_at());
  if (core_.role() != Role::kPrimary) return due;
  // Right after a grant there is nothing to grant, but a machine that runs will soon have it; to be
  // told so would cost a wake of its own.
  return something_to_grant() || core_.now() < grant_due() ? std::min(due, grant_due()) : due;
}

void PrimarySession::judge_peer() {
  FailureDetector& detector = core_.detector();
  if (!detector.started()) return;
  detector.expect_progress(!operator_paused_ && executed_ < progress_, core_.now());
  const Verdict verdict = detector.on_tick(core_.now());
  if (verdict.state != PeerState::kLost) return;
  if (core_.role() == Role::kJoining) return abandon_join(verdict.why);
  backup_lost(verdict.why);
}

void PrimarySession::backup_lost(std::string_view why) {
  FTVM_ASSERT(core_.role() == Role::kPrimary || core_.role() == Role::kEnding);
  FTVM_MARK("primary.arbitrating");
  FTVM_DIAG(kWarn, "backup.lost").kv("why", why).kv("epoch", core_.epoch().value);
  lost_why_ = why;
  const bool stepped = core_.step(RoleEvent::kBackupLost);
  FTVM_ASSERT(stepped);
  FTVM_ASSERT(core_.gate().mode() == GateMode::kShut);
  buffer_.start(recorded_);  // Nobody will ever acknowledge what was in it.
  if (duty_told_ != 1) core_.act(SetDuty{duty_told_ = 1});
  core_.arbitrate();
}

void PrimarySession::on_arbiter(Epoch epoch, ArbiterAnswer answer, HostTime now) {
  core_.advance(now);
  if (!core_.on_arbiter(epoch, answer) || !core_.won()) return;
  core_.go_live(!ended_);
  started_ = true;
  start_heartbeats();
  if (ended_) return finish_lone();
  settle();
}

void PrimarySession::on_record(const replay::Record& record, HostTime now) {
  core_.advance(now);
  const Role role = core_.role();
  const bool is_protected = std::holds_alternative<replay::Protected>(record.body);
  const bool is_end = std::holds_alternative<replay::End>(record.body);
  FTVM_ASSERT(record.seq == recorded_.next());
  // A machine that stands still records nothing; but the operator may stop it while it waits.
  FTVM_ASSERT(role != Role::kWaiting || is_end);
  FTVM_ASSERT(role != Role::kJoining || is_end);
  FTVM_ASSERT(!ended_);
  recorded_ = record.seq;
  if (is_protected) started_ = true;
  if (role == Role::kPrimary) {
    buffer_.append(record, core_.now());
    if (is_protected || is_end) buffer_.want_flush();
  }
  settle();
}

void PrimarySession::on_output(JournalSeq mark, Output output, HostTime now) {
  core_.advance(now);
  FTVM_ASSERT(mark <= recorded_);
  core_.gate().hold(mark, std::move(output));
  if (core_.role() == Role::kPrimary) buffer_.want_flush();
  settle();
}

void PrimarySession::on_progress(Tick tick, HostTime now) {
  core_.advance(now);
  FTVM_ASSERT(tick >= progress_);
  // A machine that stands still does not run.
  if (tick > progress_) {
    ran_ns_ += static_cast<double>(core_.now().ns - progressed_at_.ns) * duty_told_;
  }
  progressed_at_ = core_.now();
  progress_ = tick;
  settle();
}

void PrimarySession::on_end(EndReason reason, HostTime now) {
  core_.advance(now);
  if (ended_ || is_final(core_.role())) return;
  ended_ = true;
  end_reason_ = reason;
  FTVM_DIAG(kInfo, "run.ended").kv("reason", static_cast<unsigned>(reason));
  if (core_.role() == Role::kArbitrating) return;  // Its outputs still wait for the answer.
  if (core_.role() != Role::kPrimary) return finish_lone();
  buffer_.want_flush();
  const bool stepped = core_.step(RoleEvent::kEnd);
  FTVM_ASSERT(stepped);
  settle();
}

void PrimarySession::finish_lone() {
  FTVM_ASSERT(ended_);
  core_.release();
  if (core_.role() == Role::kJoining) core_.send(Bye{"the primary ended before it was protected"});
  std::string note;
  if (!lost_why_.empty() && end_plan(end_reason_) == EndPlan::kHandOver) {
    FTVM_MARK("handover.failed");
    note = "the hand-over failed, the machine is stopped: the backup was lost, " + lost_why_;
  }
  if (core_.step(RoleEvent::kEnd)) core_.finish(end_reason_, std::move(note));
}

void PrimarySession::on_confirmed(JournalSeq mark, HostTime now) {
  core_.advance(now);
  FTVM_ASSERT(mark >= confirmed_);
  FTVM_ASSERT(mark <= recorded_);
  confirmed_ = mark;
}

/// Late is harmless here: a backup that does not know it yet repeats what was confirmed.
void PrimarySession::tell_confirmed() {
  if (core_.role() != Role::kPrimary || !connected()) return;
  // What a gate let out, the backup has; but only that is a confirmation it can check.
  const JournalSeq mark = std::min(confirmed_, buffer_.accepted());
  if (mark <= confirmed_told_ || core_.now().ns - confirmed_at_.ns < kConfirmedNs) return;
  confirmed_told_ = mark;
  confirmed_at_ = core_.now();
  core_.send(Confirmed{mark});
}

void PrimarySession::on_pause(bool paused, HostTime now) {
  core_.advance(now);
  operator_paused_ = paused;
  settle();
}

void PrimarySession::on_leave(HostTime now) {
  core_.advance(now);
  if (!core_.step(RoleEvent::kLeave)) return;
  core_.finish(EndReason::kStopped, "left before the arbiter had answered: outputs were dropped");
}

/// What every event may have made possible.
void PrimarySession::settle() {
  if (is_final(core_.role())) return;
  send_what_is_due();
  core_.release();
  update_pause();
  if (core_.role() != Role::kEnding || !buffer_.empty()) return;
  FTVM_ASSERT(buffer_.accepted() == recorded_);
  FTVM_ASSERT(core_.gate().counters().held == 0);
  if (core_.channel_open()) core_.send(Bye{std::string(end_reason_name(end_reason_))});
  const bool stepped = core_.step(RoleEvent::kDrained);
  FTVM_ASSERT(stepped);
  core_.finish(end_reason_, "");
}

/// Each message wakes three threads on either side, so what nobody waits for goes with the next
/// grant.
void PrimarySession::send_what_is_due() {
  if (!connected() || core_.role() == Role::kJoining) return;
  const bool grants = core_.role() == Role::kPrimary && core_.now() >= grant_due();
  const Tick granted_before = granted_;
  if (grants) buffer_.want_flush();
  flush();
  if (!grants) return;
  if (something_to_grant()) {
    granted_ = buffer_.grant_limit(progress_);
    core_.send(Progress{granted_, buffer_.sent(), static_cast<std::uint64_t>(ran_ns_) / 1000});
  }
  if (granted_ > granted_before) granted_at_ = core_.now();
}

void PrimarySession::flush() {
  for (;;) {
    std::vector<replay::Record> batch = buffer_.take_batch(core_.now());
    if (batch.empty()) return;
    FTVM_ASSERT(batch.back().seq == buffer_.sent());
    granted_ = std::max(granted_, batch.back().at);
    lag_.on_sent(batch.back().seq, core_.now());
    core_.send(Records{std::move(batch)});
  }
}

HostTime PrimarySession::grant_due() const {
  return {granted_at_.ns + (duty_told_ < kSlowedDuty ? kGrantSlowedNs : kGrantNs)};
}

bool PrimarySession::something_to_grant() const {
  return buffer_.grant_limit(progress_) > granted_;
}

bool PrimarySession::out_of_credit() const {
  // Once paused it takes a quarter of the room to go on, or the vCPU would stutter.
  const auto above = [this](std::uint64_t bytes, std::uint64_t bytes_max) {
    return bytes >= (flow_paused_ ? bytes_max / 4 * 3 : bytes_max);
  };
  const bool held = above(core_.gate().counters().held_bytes, options_.held_bytes_max);
  if (core_.role() == Role::kArbitrating) return held;
  if (core_.role() != Role::kPrimary) return false;
  return held || buffer_.blocked() || above(buffer_.bytes(), buffer_.options().bytes_max);
}

void PrimarySession::update_pause() {
  if (ended_) return;
  flow_paused_ = out_of_credit();
  if (flow_paused_) FTVM_MARK("flow.paused");
  const bool paused = !started_ || operator_paused_ || flow_paused_;
  if (paused == paused_) return;
  paused_ = paused;
  core_.act(SetPaused{paused});
  if (connected()) core_.send(Keepalive{paused});
}

void PrimarySession::start_heartbeats() {
  core_.act(StartHeartbeats{core_.peer().session, core_.epoch(), options_.heartbeat_key,
                            backup_heartbeat_port_, options_.heartbeat_ms});
}

bool PrimarySession::connected() const {
  const Role role = core_.role();
  const bool in_session =
      (role == Role::kJoining && joined_) || role == Role::kPrimary || role == Role::kEnding;
  return in_session && core_.channel_open();
}

std::int64_t PrimarySession::detection_ns() const {
  return options_.detection_ms * kNsPerMs;
}

bool PrimarySession::can_hand_over() const {
  return core_.role() == Role::kPrimary && core_.detector().verdict().state == PeerState::kAlive;
}

JournalSeq PrimarySession::kept() const {
  if (core_.role() == Role::kLone) return recorded_;
  return core_.role() == Role::kPrimary ? buffer_.accepted() : JournalSeq{};
}

PrimarySession::Metrics PrimarySession::metrics() const {
  return {.role = core_.role(),
          .epoch = core_.epoch(),
          .peer = core_.detector().verdict(),
          .gate = core_.gate().counters(),
          .core = core_.counters(),
          .lag = lag_.measures(),
          .duty = duty_told_,
          .paused = paused_,
          .unacknowledged_bytes = buffer_.bytes(),
          .recorded = recorded_,
          .sent = buffer_.sent(),
          .accepted = buffer_.accepted(),
          .confirmed = confirmed_told_,
          .progress = progress_,
          .granted = granted_,
          .executed = executed_};
}

}  // namespace ftvm::ftcore
