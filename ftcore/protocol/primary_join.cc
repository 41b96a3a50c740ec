// How a primary takes a backup in: Hello, Welcome, Joined, the arbiter's slot, Protected.
#include <utility>

#include "emulator/base/assert.h"
#include "emulator/base/diag.h"
#include "emulator/base/mark.h"
#include "ftcore/protocol/hello_check.h"
#include "ftcore/protocol/primary_session.h"

namespace ftvm::ftcore {
namespace {

/// Unique for each handshake, because the incarnation is random and the count never repeats.
Uuid session_of(Uuid incarnation, std::uint64_t count) {
  for (std::size_t i = 0; i < sizeof(count); ++i) {
    incarnation.bytes[i] ^= static_cast<std::uint8_t>(count >> (8 * i));
  }
  return incarnation;
}

}  // namespace

void PrimarySession::on_hello(const Hello& hello) {
  const Role role = core_.role();
  const bool in_session = role == Role::kJoining || role == Role::kPrimary || role == Role::kEnding;
  if (in_session && hello.incarnation == backup_incarnation_) {
    return core_.ignore("repeated hello");
  }
  const std::string refusal = reason_to_refuse(hello);
  if (refusal.empty()) return welcome(hello);
  FTVM_MARK("hello.refused");
  FTVM_DIAG(kWarn, "backup.refused").kv("why", refusal);
  core_.answer_sender(Refuse{refusal});
}

std::string PrimarySession::reason_to_refuse(const Hello& hello) const {
  const Hello mine{.protocol_version = kProtocolVersion,
                   .incarnation = options_.incarnation,
                   .identity = options_.identity,
                   .start_seq = options_.start_seq,
                   .start_snapshot = options_.start_snapshot,
                   .arbiter = options_.arbiter};
  const Status checked = check_hello(hello, mine);
  if (!checked) return checked.error().message();
  switch (core_.role()) {
    case Role::kWaiting:
      return "";
    case Role::kJoining:
    case Role::kPrimary:
    case Role::kEnding:
      return "this primary already has a backup";
    default:
      return "late backup: the machine has already started, and recovery is not built yet";
  }
}

void PrimarySession::welcome(const Hello& hello) {
  FTVM_ASSERT(core_.role() == Role::kWaiting);
  FTVM_ASSERT(recorded_ == options_.start_seq);
  FTVM_ASSERT(!started_);
  const bool stepped = core_.step(RoleEvent::kBackupJoined);
  FTVM_ASSERT(stepped);
  backup_incarnation_ = hello.incarnation;
  joined_ = false;
  executed_ = granted_ = options_.start;
  buffer_.start(recorded_);
  const Uuid session = session_of(options_.incarnation, ++sessions_);
  core_.set_peer({options_.pair, session, core_.epoch()}, detection_ns());
  core_.send(Welcome{.pair = options_.pair,
                     .session = session,
                     .incarnation = options_.incarnation,
                     .epoch = core_.epoch(),
                     .heartbeat_key = options_.heartbeat_key,
                     .detection_ms = options_.detection_ms,
                     .heartbeat_ms = options_.heartbeat_ms,
                     .heartbeat_port = options_.heartbeat_port,
                     .boot_unix_s = options_.identity.boot_unix_s},
             Send::To::kSender);
}

void PrimarySession::on_joined(const Joined& joined) {
  if (core_.role() != Role::kJoining || joined_) return core_.ignore("repeated joined");
  joined_ = true;
  backup_heartbeat_port_ = joined.heartbeat_port;
  start_heartbeats();
  slot_backoff_.reset();
  ask_slot();
}

void PrimarySession::ask_slot() {
  if (core_.role() != Role::kJoining || !joined_) return;
  if (slot_asked_ || !slot_backoff_.due(core_.now())) return;
  slot_asked_ = true;
  core_.act(OpenSlot{options_.pair, core_.epoch()});
}

void PrimarySession::on_slot(Epoch epoch, SlotAnswer answer, HostTime now) {
  core_.advance(now);
  const Role role = core_.role();
  if (!slot_asked_ || epoch != core_.epoch() ||
      (role != Role::kWaiting && role != Role::kJoining)) {
    return core_.ignore("slot's answer");
  }
  slot_asked_ = false;
  switch (answer) {
    case SlotAnswer::kOpened:
      // The backup may have gone, and another may be in the middle of its handshake.
      if (role == Role::kJoining && joined_) protect();
      break;
    case SlotAnswer::kTaken:
      core_.halt(RoleEvent::kRefused,
                 "epoch " + std::to_string(epoch.value) +
                     " of this pair was opened or won by another node: this one is old");
      break;
    case SlotAnswer::kUnreachable:
      FTVM_MARK("slot.unreachable");
      FTVM_DIAG(kWarn, "arbiter.unreachable").kv("epoch", epoch.value);
      slot_backoff_.postpone(core_.now());
      break;
  }
  settle();
}

/// Design section 5: first the gate, then Protected, and the first tick only after it.
void PrimarySession::protect() {
  FTVM_ASSERT(!started_);
  const bool stepped = core_.step(RoleEvent::kBackupReady);
  FTVM_ASSERT(stepped);
  FTVM_ASSERT(core_.gate().mode() == GateMode::kClosed);
  lag_.start(core_.now());
  progressed_at_ = core_.now();
  ran_ns_ = 0;
  duty_told_ = 1;
  core_.act(Journal{replay::Protected{core_.epoch()}});
}

void PrimarySession::abandon_join(std::string_view why) {
  FTVM_ASSERT(core_.role() == Role::kJoining);
  FTVM_DIAG(kWarn, "backup.gone").kv("why", why);
  const bool stepped = core_.step(RoleEvent::kBackupLost);
  FTVM_ASSERT(stepped);
  core_.detector().stop();
  core_.act(StopHeartbeats{});
  core_.act(CloseChannel{});
  joined_ = false;
  core_.set_peer({options_.pair, Uuid{}, core_.epoch()}, detection_ns());
}

}  // namespace ftvm::ftcore
