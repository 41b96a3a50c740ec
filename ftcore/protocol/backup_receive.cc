// What a backup does with each message of its primary.
#include <algorithm>
#include <utility>
#include <variant>

#include "emulator/base/assert.h"
#include "emulator/base/diag.h"
#include "emulator/base/mark.h"
#include "ftcore/protocol/backup_session.h"
#include "ftcore/protocol/hello_check.h"
#include "ftcore/protocol/planned_end.h"

namespace ftvm::ftcore {

void BackupSession::say_hello() {
  hello_at_ = core_.now();
  core_.answer_sender(Hello{.protocol_version = kProtocolVersion,
                            .incarnation = options_.incarnation,
                            .identity = options_.identity,
                            .takes_time = options_.takes_time,
                            .start_seq = options_.start_seq,
                            .start_snapshot = options_.start_snapshot,
                            .arbiter = options_.arbiter});
}

void BackupSession::on_message(const Message& message, HostTime now) {
  core_.advance(now);
  if (is_final(core_.role())) return;
  if (std::holds_alternative<Hello>(message.body)) {
    core_.answer_sender(Refuse{core_.role() == Role::kLone
                                   ? "late backup: the machine has already started, and recovery "
                                     "is not built yet"
                                   : "this node is a backup itself"});
    return core_.ignore("hello");
  }
  if (!joined_) return before_session(message);
  if (core_.admit(message)) dispatch(message);
}

void BackupSession::before_session(const Message& message) {
  FTVM_ASSERT(core_.role() == Role::kSyncing);
  if (const auto* welcome = std::get_if<Welcome>(&message.body)) {
    on_welcome(message, *welcome);
  } else if (const auto* refuse = std::get_if<Refuse>(&message.body)) {
    core_.halt(RoleEvent::kRefused, "the primary refused this backup: " + refuse->reason);
  } else {
    core_.ignore("before the session");
  }
}

void BackupSession::on_welcome(const Message& message, const Welcome& welcome) {
  Status checked = check_welcome(welcome);
  const bool envelope = message.pair == welcome.pair && message.session == welcome.session &&
                        message.epoch == welcome.epoch;
  if (checked && !envelope) {
    checked = Error(ErrorCode::kBadData, "the primary's welcome: it is not in its own envelope");
  }
  const bool same_time = welcome.boot_unix_s == options_.identity.boot_unix_s;
  if (checked && !options_.takes_time && !same_time) {
    checked = Error(ErrorCode::kBadData, "the primary's welcome: another time of day");
  }
  if (!checked) {
    core_.answer_sender(Refuse{checked.error().message()});
    return core_.halt(RoleEvent::kRefused, checked.error().message());
  }
  joined_ = true;
  welcome_ = welcome;
  core_.set_peer({welcome.pair, welcome.session, welcome.epoch}, welcome.detection_ms * kNsPerMs);
  if (options_.takes_time) core_.act(SetBootTime{welcome.boot_unix_s});
  core_.send(Joined{options_.heartbeat_port});
  send_ack();
  start_heartbeats();
}

void BackupSession::dispatch(const Message& message) {
  const Role role = core_.role();
  const bool receiving = role == Role::kSyncing || role == Role::kBackup;
  if (!receiving && role != Role::kDraining) {
    core_.ignore("the session is over");
  } else if (const auto* keepalive = std::get_if<Keepalive>(&message.body)) {
    core_.detector().on_paused(keepalive->paused, core_.now());
  } else if (!receiving && std::holds_alternative<Bye>(message.body)) {
    goodbye_ = true;
    core_.detector().stop();
    try_finish();
  } else if (!receiving) {
    core_.ignore("behind the end of the run");
  } else if (const auto* records = std::get_if<Records>(&message.body)) {
    on_records(*records);
  } else if (const auto* progress = std::get_if<Progress>(&message.body)) {
    on_grant(*progress);
  } else if (const auto* confirmed = std::get_if<Confirmed>(&message.body)) {
    take_confirmed(*confirmed);
  } else if (const auto* bye = std::get_if<Bye>(&message.body)) {
    // A planned end has its End record before its Bye, and then this node would be draining.
    primary_lost("it left: " + bye->reason);
  } else {
    core_.ignore("not a primary's message");
  }
}

void BackupSession::on_records(const Records& message) {
  Status taken = check_marks(message.records);
  if (taken) taken = inbox_.accept(message.records);
  if (!taken) return break_off(taken.error().message());
  if (message.records.empty()) return;
  FTVM_ASSERT(inbox_.accepted() == message.records.back().seq);
  core_.detector().on_progress(inbox_.limit(), core_.now());
  lag_.on_limit(inbox_.limit(), core_.now());
  // First to the machine, then the acknowledgement: what is acknowledged will be executed. And
  // first the grant that comes with the records, or the acknowledgement would not say what that
  // costs.
  core_.act(Deliver{message.records});
  ack_due_ = true;
  for (const replay::Record& record : message.records) on_control_record(record);
}

/// Records that steer the protocol must fit the session; none is taken unless all of them do.
Status BackupSession::check_marks(std::span<const replay::Record> records) const {
  bool in_sync = core_.role() == Role::kBackup;
  for (const replay::Record& record : records) {
    if (const auto* mark = std::get_if<replay::Protected>(&record.body)) {
      if (in_sync || mark->epoch != core_.epoch()) {
        return Error(ErrorCode::kBadData,
                     "Protected of epoch " + std::to_string(mark->epoch.value) +
                         " in a session of epoch " + std::to_string(core_.epoch().value));
      }
      in_sync = true;
    } else if (std::holds_alternative<replay::Alone>(record.body)) {
      return Error(ErrorCode::kBadData, "Alone in a session: the primary has no backup");
    } else if (std::holds_alternative<replay::End>(record.body) && !in_sync) {
      return Error(ErrorCode::kBadData, "the run ended before it was protected");
    }
  }
  return {};
}

void BackupSession::on_control_record(const replay::Record& record) {
  if (std::holds_alternative<replay::Protected>(record.body)) {
    const bool stepped = core_.step(RoleEvent::kProtected);
    FTVM_ASSERT(stepped);
  }
  const auto* end = std::get_if<replay::End>(&record.body);
  if (end == nullptr) return;
  FTVM_ASSERT(core_.role() == Role::kBackup);
  send_ack();  // In the roles that follow nothing is said any more.
  end_reason_ = end->reason;
  switch (end_plan(end->reason)) {
    case EndPlan::kBothEnd: {
      const bool stepped = core_.step(RoleEvent::kEnd);
      FTVM_ASSERT(stepped);
      ended_ = true;
      return drain();
    }
    case EndPlan::kHandOver: {
      FTVM_MARK("backup.handed_over");
      const bool stepped = core_.step(RoleEvent::kHandOver);
      FTVM_ASSERT(stepped);
      drain();
      return core_.arbitrate();
    }
    case EndPlan::kDeath:
      return primary_lost("its node failed: " + std::string(end_reason_name(end->reason)));
  }
}

void BackupSession::on_grant(const Progress& progress) {
  if (progress.recorded != inbox_.accepted()) {
    return break_off("a grant behind record " + std::to_string(progress.recorded.value) +
                     ", received was " + std::to_string(inbox_.accepted().value));
  }
  if (!inbox_.grant(progress.tick) || progress.ran_us < lag_.ran_us()) {
    return break_off("a grant was taken back");
  }
  lag_.on_grant(inbox_.limit(), progress.ran_us, core_.now());
  core_.detector().on_progress(progress.tick, core_.now());
  core_.act(Grant{progress.tick});
}

void BackupSession::take_confirmed(const Confirmed& confirmed) {
  // An output leaves only behind an acknowledgement, so nobody can have seen more than that.
  if (confirmed.mark < confirmed_ || confirmed.mark > inbox_.accepted()) {
    return break_off("outputs confirmed up to record " + std::to_string(confirmed.mark.value) +
                     ", received was " + std::to_string(inbox_.accepted().value));
  }
  FTVM_MARK("backup.confirmed");
  FTVM_ASSERT(core_.gate().mode() == GateMode::kShut);
  confirmed_ = confirmed.mark;
  core_.gate().forget(confirmed_);
}

/// The stream can not be continued: as if the channel had closed.
void BackupSession::break_off(const std::string& why) {
  core_.break_channel(why);
  if (core_.role() == Role::kSyncing) primary_lost(why);
}

}  // namespace ftvm::ftcore
