// Bugs that are planted on purpose: an oracle that never saw one is only hoped to work.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "emulator/base/planted_bug.h"

namespace ftvm::ftcore::sim {

enum class Plant : std::uint8_t {
  kNone,
  kReleaseEarly,   // The primary's outputs leave at once.
  kAckUnseen,      // The backup acknowledges what is still in the channel.
  kTwoWinners,     // The arbiter says yes to everybody.
  kSkipDrain,      // The backup goes live without the last of what it has acknowledged.
  kConfirmUnseen,  // Outputs count as confirmed when they are released.
  kForgetReissue,  // The backup does not put out what it held for the takeover.
  kWrongSync,      // The backup's machine is given another time than the primary's.
  kWrongReplica,   // The backup computes something else.
  kEpochStays,     // The survivor goes on in the epoch of the pair.
  kHaltedSpeaks,   // A node that halts lets out what it held.
  kMarkEarly,      // An output's mark has the tick before the one where it is complete.
  kInputLate,      // The backup's machine is given its inputs one tick late.
  kUnknownWins,    // No answer of the arbiter is taken for a good one.
  kOwnBeats,       // A node takes its own heartbeats for the other side's.
  // Of the real machine, the backup's (emulator/base/planted_bug.h).
  kRepCount,          // A REP that is stepped to its end counts one instruction less.
  kStaleTranslation,  // Code that changes goes on as it was translated.
  kInterruptLate,     // Some interrupts come one instruction late.
};
inline constexpr std::array<std::string_view, 18> kPlantNames{
    "none",           "release_early",     "ack_unseen",    "two_winners",   "skip_drain",
    "confirm_unseen", "forget_reissue",    "wrong_sync",    "wrong_replica", "epoch_stays",
    "halted_speaks",  "mark_early",        "input_late",    "unknown_wins",  "own_beats",
    "rep_count",      "stale_translation", "interrupt_late"};

/// Anywhere else a plant does nothing.
#ifdef FTVM_TEST_POINTS
inline constexpr bool kPlantsCompiledIn = true;
#else
inline constexpr bool kPlantsCompiledIn = false;
#endif

/// What of it is in the backup's machine.
constexpr PlantedBug bug_of_machine(Plant plant) {
  switch (plant) {
    case Plant::kRepCount:
      return PlantedBug::kRepCount;
    case Plant::kStaleTranslation:
      return PlantedBug::kStaleTranslation;
    case Plant::kInterruptLate:
      return PlantedBug::kInterruptLate;
    default:
      return PlantedBug::kNone;
  }
}

constexpr std::string_view plant_name(Plant plant) {
  return kPlantNames[static_cast<std::size_t>(plant)];
}

}  // namespace ftvm::ftcore::sim
