#include "ftcore/protocol/backup_session.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "emulator/base/assert.h"
#include "emulator/base/diag.h"
#include "emulator/base/mark.h"
#include "ftcore/protocol/hello_check.h"
#include "ftcore/protocol/planned_end.h"

// What comes over the channel is handled in backup_receive.cc.

namespace ftvm::ftcore {

BackupSession::BackupSession(Options options, HostTime now)
    : options_(std::move(options)),
      core_(Role::kSyncing, options_.incarnation),
      inbox_({.bytes_max = options_.queue_bytes_max,
              .after = options_.start_seq,
              .start = options_.start}),
      lag_(options_.start, now),
      executed_(options_.start) {
  core_.advance(now);
  say_hello();
}

void BackupSession::on_channel_closed(HostTime now) {
  core_.advance(now);
  if (!core_.channel_open()) return;
  core_.close_channel();
  // Closed is for good, so a backup that is not in sync never will be.
  if (core_.role() == Role::kSyncing) primary_lost("its channel closed");
}

void BackupSession::on_heartbeat(const Heartbeat& heartbeat, HostTime arrived) {
  core_.advance(arrived);
  core_.admit(heartbeat, arrived);
}

void BackupSession::on_tick(HostTime now) {
  core_.advance(now);
  if (is_final(core_.role())) return;
  if (!joined_ && core_.now().ns - hello_at_.ns >= kHelloNs) say_hello();
  core_.arbitrate_again();
  judge_peer();
  report_execution();
  if (connected() && core_.quiet_for(welcome_.detection_ms * kNsPerMs / 4)) {
    core_.send(Keepalive{});  // A backup that follows is never paused.
  }
}

HostTime BackupSession::next_due() const {
  const HostTime due = core_.tick_due();
  if (!connected()) return due;
  if (ack_due_) return core_.now();
  // As after a grant (PrimarySession): what will soon be reported needs no wake of its own.
  const HostTime again{acked_at_.ns + report_ns()};
  return has_news() || core_.now() < again ? std::min(due, again) : due;
}

void BackupSession::judge_peer() {
  FailureDetector& detector = core_.detector();
  if (!detector.started()) return;
  // A primary that waits for this node's room says that it is paused; one that ended stands still.
  detector.expect_progress(!ended_, core_.now());
  const Verdict verdict = detector.on_tick(core_.now());
  if (verdict.state == PeerState::kLost) primary_lost(verdict.why);
}

void BackupSession::primary_lost(std::string_view why) {
  FTVM_DIAG(kWarn, "primary.lost").kv("why", why).kv("role", role_name(core_.role()));
  if (core_.role() == Role::kSyncing) {
    return core_.halt(RoleEvent::kPrimaryLost,
                      "the primary was lost (" + std::string(why) +
                          ") before this backup was in sync: it can not take over");
  }
  if (core_.role() != Role::kBackup && core_.role() != Role::kDraining) return;
  FTVM_MARK("backup.arbitrating");
  if (ended_) FTVM_MARK("backup.last_words");  // Which nobody but this node may have.
  const bool stepped = core_.step(RoleEvent::kPrimaryLost);
  FTVM_ASSERT(stepped);
  if (!ended_) drain();
  core_.arbitrate();
}

/// From here on nothing is accepted any more, so nothing can be acknowledged either.
void BackupSession::drain() {
  FTVM_ASSERT(core_.role() == Role::kArbitrating || core_.role() == Role::kDraining);
  FTVM_ASSERT(!connected() || core_.role() == Role::kDraining);
  drained_ = false;
  core_.act(Drain{inbox_.accepted(), inbox_.limit()});
}

void BackupSession::on_drained(HostTime now) {
  core_.advance(now);
  if (core_.role() != Role::kArbitrating && core_.role() != Role::kDraining) {
    return core_.ignore("drained");
  }
  FTVM_MARK("backup.drained");
  inbox_.consume(inbox_.accepted());
  executed_ = std::max(executed_, inbox_.limit());
  drained_ = true;
  if (core_.role() == Role::kArbitrating) return try_live();
  try_finish();
}

/// Nothing is left to do when the machine has come to the end and the primary has let everything
/// out. Before that goodbye the primary may die with its last outputs, and they are here.
void BackupSession::try_finish() {
  FTVM_ASSERT(core_.role() == Role::kDraining);
  if (!drained_ || !goodbye_) return;
  const bool stepped = core_.step(RoleEvent::kDrained);
  FTVM_ASSERT(stepped);
  core_.finish(end_reason_, "");
}

void BackupSession::on_arbiter(Epoch epoch, ArbiterAnswer answer, HostTime now) {
  core_.advance(now);
  if (core_.on_arbiter(epoch, answer)) try_live();
}

void BackupSession::try_live() {
  if (core_.role() != Role::kArbitrating || !core_.won() || !drained_) return;
  FTVM_ASSERT(inbox_.consumed() == inbox_.accepted());
  core_.go_live(!ended_);
  start_heartbeats();
}

void BackupSession::on_executed(Tick executed, JournalSeq consumed, HostTime now) {
  core_.advance(now);
  FTVM_ASSERT(executed >= executed_);
  executed_ = executed;
  if (core_.role() == Role::kLone || is_final(core_.role())) return;
  FTVM_ASSERT(executed <= inbox_.limit());
  // A drained machine may wait for the arbiter for long. The End of a hand-over is never done for
  // it.
  if (drained_) return;
  lag_.on_executed(executed, core_.now());
  inbox_.consume(consumed);
  report_execution();
}

void BackupSession::on_output(JournalSeq mark, Output output, HostTime now) {
  core_.advance(now);
  core_.gate().hold(mark, std::move(output));
  if (core_.gate().mode() == GateMode::kShut) {
    core_.gate().forget(confirmed_);  // It may have left the primary, and been seen, long ago.
    core_.gate().forget_beyond(options_.held_bytes_max);
  }
  core_.release();
}

void BackupSession::on_diverged(const std::string& text, HostTime now) {
  core_.advance(now);
  if (connected()) core_.send(Bye{"diverged: " + text});
  core_.halt(RoleEvent::kDiverged, "this backup diverged and can not take over: " + text);
}

void BackupSession::on_end(EndReason reason, HostTime now) {
  core_.advance(now);
  if (core_.role() != Role::kLone) return core_.ignore("end");
  core_.release();
  const bool stepped = core_.step(RoleEvent::kEnd);
  FTVM_ASSERT(stepped);
  core_.finish(reason, "");
}

void BackupSession::on_leave(HostTime now) {
  if (core_.role() == Role::kLone) return on_end(EndReason::kStopped, now);
  core_.advance(now);
  if (connected()) core_.send(Bye{"the operator took the backup away"});
  const bool arbitrating = core_.role() == Role::kArbitrating;
  if (!core_.step(RoleEvent::kLeave)) return;
  core_.finish(EndReason::kStopped,
               arbitrating ? "left in the middle of a takeover: the machine may be nowhere" : "");
}

void BackupSession::on_pause(bool paused, HostTime now) {
  core_.advance(now);
  if (!can_pause()) return core_.ignore("pause");
  if (paused == paused_) return;
  paused_ = paused;
  core_.act(SetPaused{paused});
}

void BackupSession::send_ack() {
  FTVM_ASSERT(connected());
  FTVM_ASSERT(executed_ <= inbox_.limit());
  const auto us = [](double ms) { return static_cast<std::uint64_t>(ms * 1000); };
  acked_ = {inbox_.accepted(), executed_, inbox_.room_bytes(), us(lag_.age_ms(core_.now())),
            us(lag_.cost_ms(core_.now()))};
  acked_at_ = core_.now();
  ack_due_ = false;
  core_.send(acked_);
}

bool BackupSession::has_news() const {
  return executed_ != acked_.executed || inbox_.room_bytes() != acked_.room_bytes ||
         executed_ < inbox_.limit() || acked_.lag_us != 0;
}

/// Room and execution change without a message of the primary's; tell it now and then, and at once
/// when it may be waiting for room.
void BackupSession::report_execution() {
  if (!connected()) return;
  const std::uint64_t plenty = inbox_.bytes_max() / 2;
  const bool room_again = acked_.room_bytes < plenty && inbox_.room_bytes() >= plenty;
  const bool report_due = has_news() && core_.now().ns - acked_at_.ns >= report_ns();
  if (ack_due_ || room_again || report_due) send_ack();
}

std::int64_t BackupSession::report_ns() const {
  return lag_.age_ms(core_.now()) < kBehindMs ? kAckNs : kAckBehindNs;
}

void BackupSession::start_heartbeats() {
  core_.act(StartHeartbeats{core_.peer().session, core_.epoch(), welcome_.heartbeat_key,
                            welcome_.heartbeat_port, welcome_.heartbeat_ms});
}

bool BackupSession::connected() const {
  const Role role = core_.role();
  const bool in_session =
      joined_ && (role == Role::kSyncing || role == Role::kBackup || role == Role::kDraining);
  return in_session && core_.channel_open();
}

JournalSeq BackupSession::kept() const {
  return core_.role() == Role::kLone ? JournalSeq{std::numeric_limits<std::uint64_t>::max()}
                                     : JournalSeq{};
}

BackupSession::Metrics BackupSession::metrics() const {
  return {.role = core_.role(),
          .epoch = core_.epoch(),
          .paused = paused_,
          .peer = core_.detector().verdict(),
          .gate = core_.gate().counters(),
          .core = core_.counters(),
          .room_bytes = inbox_.room_bytes(),
          .accepted = inbox_.accepted(),
          .consumed = inbox_.consumed(),
          .confirmed = confirmed_,
          .limit = inbox_.limit(),
          .executed = executed_,
          .execution_lag_ms = lag_.age_ms(core_.now())};
}

}  // namespace ftvm::ftcore
