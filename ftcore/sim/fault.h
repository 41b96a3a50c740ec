// What can be done to a pair, and when. A plan is a list of faults; with a seed it is a whole run.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/world.h"
#include "ftcore/sim/moment.h"
#include "ftcore/sim/side.h"

namespace ftvm::ftcore::sim {

enum class FaultKind : std::uint8_t {
  kKill,         // SIGKILL: its kernel says goodbye for it.
  kLoseHost,     // The power goes: nobody says anything.
  kStop,         // SIGSTOP for a while, then SIGCONT.
  kWedge,        // The vCPU hangs for good.
  kSlow,         // The vCPU runs at a share of its speed for a while.
  kReset,        // The connection is reset.
  kStall,        // Nothing arrives at this side for a while, then everything.
  kPartition,    // Neither messages nor heartbeats, either way, for a while.
  kCorrupt,      // One bit of the next message to this side.
  kBeatsLost,    // No heartbeat arrives at this side for a while.
  kBeatsLate,    // They come late for a while.
  kBeatsTwice,   // Each comes twice for a while.
  kArbiterAway,  // The shared storage cannot be reached for a while.
  kArbiterSlow,  // It answers late.
  kArbiterMute,  // It does what it is asked, and the answers are lost.
  kArbiterTorn,  // What is next written to it can never be read again: nobody wins.
  kClockJump,    // This host's clock is ahead by so much at once, as behind a pause of all of it.
  kPause,        // `ctl pause` for a while.
  kEnd,          // The machine ends as planned.
};
inline constexpr std::array<std::string_view, 19> kFaultNames{
    "kill",         "lose_host",   "stop",         "wedge",        "slow",
    "reset",        "stall",       "partition",    "corrupt",      "beats_lost",
    "beats_late",   "beats_twice", "arbiter_away", "arbiter_slow", "arbiter_mute",
    "arbiter_torn", "clock_jump",  "pause",        "end"};

constexpr std::string_view fault_name(FaultKind kind) {
  return kFaultNames[static_cast<std::size_t>(kind)];
}
/// The node does not come back from it.
constexpr bool is_lethal(FaultKind kind) {
  return kind == FaultKind::kKill || kind == FaultKind::kLoseHost || kind == FaultKind::kWedge;
}

/// It has a length, Fault::for_us, and is over by itself.
constexpr bool lasts(FaultKind kind) {
  return !is_lethal(kind) && kind != FaultKind::kReset && kind != FaultKind::kCorrupt &&
         kind != FaultKind::kArbiterTorn && kind != FaultKind::kEnd;
}

struct Fault {
  FaultKind kind = FaultKind::kKill;
  Side side = Side::kPrimary;
  /// Where: the first time this node passes this moment with at least this number. Without one:
  /// `after_us` from the beginning.
  std::optional<Moment> moment;
  std::uint64_t number = 0;
  std::int64_t after_us = 0;
  std::int64_t for_us = 0;                 // How long, for those that last.
  double share = 1;                        // Of kSlow.
  EndReason reason = EndReason::kStopped;  // Of kEnd.
  bool operator==(const Fault&) const = default;

  /// "kill primary at left 17", "stop backup at 250000 us for 80000 us".
  [[nodiscard]] std::string text() const;
};

}  // namespace ftvm::ftcore::sim
