// The life of one replica as a table. Pure: no clock, no socket, no thread.
//
//   waiting --start_alone--> lone --end--> finished
//   waiting --backup_joined--> joining --backup_ready--> primary --backup_lost--> arbitrating
//                  joining --backup_lost--> waiting        (nothing was protected yet)
//                                     primary --end--> ending --drained--> finished
//                                                      ending --backup_lost--> arbitrating
//   syncing --protected--> backup --primary_lost or hand_over--> arbitrating
//   syncing --primary_lost--> halted     (it may not be in sync, so it must never ask)
//                          backup --end--> draining --drained--> finished
//                                          draining --primary_lost--> arbitrating
//   arbitrating --won--> lone
//   arbitrating --lost--> halted
//   any but finished and halted --higher_epoch--> halted
//   a side that replays: --diverged--> halted, --leave--> finished
//
// Source: Scales, Nelson, Venkitachalam, "The Design of a Practical System for Fault-Tolerant
// Virtual Machines" (2010), section 2.3: either side goes live only after an atomic test-and-set.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ftvm::ftcore {

enum class Role : std::uint8_t {
  kWaiting,  // A primary before its first tick, without a backup.
  kJoining,  // A primary before its first tick, in the handshake with a backup.
  kLone,     // Live, and nobody else can be.
  kPrimary,  // Live, and a backup may take over.
  kEnding,   // A primary whose run ended as planned; the backup's last acknowledgement is due.
  kSyncing,  // A backup that must never ask the arbiter.
  kBackup,
  kDraining,     // A backup that runs to the planned end of its primary, whose goodbye is due.
  kArbitrating,  // The other side is gone; whether this one lives is the arbiter's to say.
  kFinished,     // Planned end.
  kHalted,       // Must not go on.
};
inline constexpr int kRoleCount = static_cast<int>(Role::kHalted) + 1;

enum class RoleEvent : std::uint8_t {
  kStartAlone,    // The user wants no backup.
  kBackupJoined,  // A backup's Hello was accepted.
  kBackupReady,   // The arbiter's slot is open: the gate closes and Protected is journalled.
  kProtected,     // The backup has received that record.
  kBackupLost,
  kPrimaryLost,
  kHandOver,  // The primary ended in order to be taken over.
  kEnd,       // Planned end: of the own run, or of the primary's.
  kDrained,   // All was acknowledged (primary), or executed and the primary said goodbye (backup).
  kWon,       // Only when there is nothing left to drain.
  kLost,
  kRefused,   // The peer or the arbiter says that this node may not take part.
  kDiverged,  // This replica computed something else than its journal says.
  kLeave,     // The operator takes this node away.
  kHigherEpoch,
};
inline constexpr int kRoleEventCount = static_cast<int>(RoleEvent::kHigherEpoch) + 1;

struct RoleEdge {
  Role from;
  RoleEvent event;
  Role to;
};

inline constexpr std::array<RoleEdge, 40> kRoleEdges{{
    {Role::kWaiting, RoleEvent::kStartAlone, Role::kLone},
    {Role::kWaiting, RoleEvent::kBackupJoined, Role::kJoining},
    {Role::kWaiting, RoleEvent::kEnd, Role::kFinished},
    {Role::kWaiting, RoleEvent::kRefused, Role::kHalted},
    {Role::kWaiting, RoleEvent::kHigherEpoch, Role::kHalted},
    {Role::kJoining, RoleEvent::kBackupReady, Role::kPrimary},
    {Role::kJoining, RoleEvent::kBackupLost, Role::kWaiting},
    {Role::kJoining, RoleEvent::kEnd, Role::kFinished},
    {Role::kJoining, RoleEvent::kRefused, Role::kHalted},
    {Role::kJoining, RoleEvent::kHigherEpoch, Role::kHalted},
    {Role::kLone, RoleEvent::kEnd, Role::kFinished},
    {Role::kLone, RoleEvent::kHigherEpoch, Role::kHalted},
    {Role::kPrimary, RoleEvent::kBackupLost, Role::kArbitrating},
    {Role::kPrimary, RoleEvent::kEnd, Role::kEnding},
    {Role::kPrimary, RoleEvent::kHigherEpoch, Role::kHalted},
    {Role::kEnding, RoleEvent::kBackupLost, Role::kArbitrating},
    {Role::kEnding, RoleEvent::kDrained, Role::kFinished},
    {Role::kEnding, RoleEvent::kHigherEpoch, Role::kHalted},
    {Role::kSyncing, RoleEvent::kProtected, Role::kBackup},
    {Role::kSyncing, RoleEvent::kPrimaryLost, Role::kHalted},
    {Role::kSyncing, RoleEvent::kRefused, Role::kHalted},
    {Role::kSyncing, RoleEvent::kDiverged, Role::kHalted},
    {Role::kSyncing, RoleEvent::kLeave, Role::kFinished},
    {Role::kSyncing, RoleEvent::kHigherEpoch, Role::kHalted},
    {Role::kBackup, RoleEvent::kPrimaryLost, Role::kArbitrating},
    {Role::kBackup, RoleEvent::kHandOver, Role::kArbitrating},
    {Role::kBackup, RoleEvent::kEnd, Role::kDraining},
    {Role::kBackup, RoleEvent::kDiverged, Role::kHalted},
    {Role::kBackup, RoleEvent::kLeave, Role::kFinished},
    {Role::kBackup, RoleEvent::kHigherEpoch, Role::kHalted},
    {Role::kDraining, RoleEvent::kPrimaryLost, Role::kArbitrating},
    {Role::kDraining, RoleEvent::kDrained, Role::kFinished},
    {Role::kDraining, RoleEvent::kDiverged, Role::kHalted},
    {Role::kDraining, RoleEvent::kLeave, Role::kFinished},
    {Role::kDraining, RoleEvent::kHigherEpoch, Role::kHalted},
    {Role::kArbitrating, RoleEvent::kWon, Role::kLone},
    {Role::kArbitrating, RoleEvent::kLost, Role::kHalted},
    {Role::kArbitrating, RoleEvent::kDiverged, Role::kHalted},
    {Role::kArbitrating, RoleEvent::kLeave, Role::kFinished},
    {Role::kArbitrating, RoleEvent::kHigherEpoch, Role::kHalted},
}};

/// The role after `event`, or nothing when the pair is not an edge (the caller ignores it and says
/// so in a diagnostic).
constexpr std::optional<Role> next_role(Role from, RoleEvent event) {
  for (const RoleEdge& edge : kRoleEdges) {
    if (edge.from == from && edge.event == event) return edge.to;
  }
  return std::nullopt;
}

/// Nothing ever changes again.
constexpr bool is_final(Role role) {
  return role == Role::kFinished || role == Role::kHalted;
}

/// Only these roles may let an Output reach the host; a primary only what its backup acknowledged.
constexpr bool may_release_output(Role role) {
  return role == Role::kPrimary || role == Role::kEnding || role == Role::kLone;
}

/// What the output gate does with outputs that no backup acknowledged.
enum class GateMode : std::uint8_t {
  kClosed,   // Protected: only what was acknowledged leaves.
  kOpen,     // Lone: everything leaves at once.
  kShut,     // Nothing leaves now; everything is kept.
  kDropped,  // Nothing ever leaves again, and nothing is kept.
};

constexpr GateMode gate_mode(Role role) {
  switch (role) {
    case Role::kLone:
      return GateMode::kOpen;
    case Role::kPrimary:
    case Role::kEnding:
      return GateMode::kClosed;
    case Role::kFinished:
    case Role::kHalted:
      return GateMode::kDropped;
    case Role::kWaiting:
    case Role::kJoining:
    case Role::kSyncing:
    case Role::kBackup:
    case Role::kDraining:
    case Role::kArbitrating:
      break;
  }
  return GateMode::kShut;
}

/// Stable names for diagnostics, `ftvm ctl status` and tests.
constexpr std::string_view role_name(Role role) {
  constexpr std::array<std::string_view, kRoleCount> kNames{
      "waiting", "joining",  "lone",        "primary",  "ending", "syncing",
      "backup",  "draining", "arbitrating", "finished", "halted"};
  return kNames[static_cast<std::size_t>(role)];
}
constexpr std::string_view role_event_name(RoleEvent event) {
  constexpr std::array<std::string_view, kRoleEventCount> kNames{
      "start_alone",  "backup_joined", "backup_ready", "protected", "backup_lost",
      "primary_lost", "hand_over",     "end",          "drained",   "won",
      "lost",         "refused",       "diverged",     "leave",     "higher_epoch"};
  return kNames[static_cast<std::size_t>(event)];
}

namespace role_check {

/// Finished and halted have no way out, every other role halts on a higher epoch, and no edge is
/// listed twice.
constexpr bool edges_are_sound() {
  for (std::size_t i = 0; i < kRoleEdges.size(); ++i) {
    if (is_final(kRoleEdges[i].from)) return false;
    for (std::size_t j = 0; j < i; ++j) {
      if (kRoleEdges[i].from == kRoleEdges[j].from && kRoleEdges[i].event == kRoleEdges[j].event) {
        return false;
      }
    }
  }
  for (int r = 0; r < kRoleCount; ++r) {
    const Role role = static_cast<Role>(r);
    const bool halts = next_role(role, RoleEvent::kHigherEpoch) == Role::kHalted;
    if (halts == is_final(role)) return false;
  }
  return true;
}

/// After any loss the only way to a role that releases what nobody acknowledged is the arbiter.
constexpr bool only_the_arbiter_opens_the_gate() {
  for (const RoleEdge& edge : kRoleEdges) {
    const bool opens = gate_mode(edge.to) == GateMode::kOpen;
    const bool allowed = (edge.from == Role::kArbitrating && edge.event == RoleEvent::kWon) ||
                         (edge.from == Role::kWaiting && edge.event == RoleEvent::kStartAlone);
    if (opens && !allowed) return false;
  }
  return true;
}

constexpr bool gate_and_role_agree() {
  for (int r = 0; r < kRoleCount; ++r) {
    const GateMode mode = gate_mode(static_cast<Role>(r));
    const bool leaves = mode == GateMode::kOpen || mode == GateMode::kClosed;
    if (leaves != may_release_output(static_cast<Role>(r))) return false;
  }
  return true;
}

static_assert(edges_are_sound());
static_assert(only_the_arbiter_opens_the_gate());
static_assert(gate_and_role_agree());
static_assert(next_role(Role::kSyncing, RoleEvent::kPrimaryLost) == Role::kHalted);
static_assert(!next_role(Role::kSyncing, RoleEvent::kHandOver));
static_assert(!next_role(Role::kSyncing, RoleEvent::kWon));

}  // namespace role_check
}  // namespace ftvm::ftcore
