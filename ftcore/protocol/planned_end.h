// What the end of a primary's run means for its backup: one table, so that a planned end is never
// taken for a death, and a death never for a planned end.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "emulator/world.h"

namespace ftvm::ftcore {

enum class EndPlan : std::uint8_t {
  kBothEnd,   // The machine itself is over: the backup drains and finishes, without the arbiter.
  kHandOver,  // The machine goes on elsewhere: the backup drains, arbitrates and goes live at once.
  kDeath,     // The node is over, not the machine: the backup treats its primary as lost.
};

struct EndPlanRow {
  EndReason reason;
  EndPlan plan;
};

inline constexpr std::array<EndPlanRow, 10> kEndPlans{{
    {EndReason::kPowerOff, EndPlan::kBothEnd},
    {EndReason::kDebugExit, EndPlan::kBothEnd},
    {EndReason::kStopped, EndPlan::kBothEnd},
    {EndReason::kReset, EndPlan::kBothEnd},
    {EndReason::kJournalEnd, EndPlan::kBothEnd},
    {EndReason::kHandOver, EndPlan::kHandOver},
    {EndReason::kDiskFull, EndPlan::kHandOver},
    {EndReason::kDiverged, EndPlan::kDeath},
    {EndReason::kHalted, EndPlan::kDeath},
    {EndReason::kDeadlock, EndPlan::kBothEnd},
}};

/// A reason that is not in the table (a newer peer's) is a death: the arbiter then decides, and
/// nothing is lost but time.
constexpr EndPlan end_plan(EndReason reason) {
  for (const EndPlanRow& row : kEndPlans) {
    if (row.reason == reason) return row.plan;
  }
  return EndPlan::kDeath;
}
static_assert(end_plan(EndReason::kPowerOff) == EndPlan::kBothEnd);
static_assert(end_plan(EndReason::kDiskFull) == EndPlan::kHandOver);
static_assert(end_plan(EndReason{255}) == EndPlan::kDeath);

}  // namespace ftvm::ftcore
