#include "ftcore/campaign/plan.h"

namespace ftvm::ftcore::campaign {

std::vector<FaultSpec> standard_faults() {
  using sim::FaultKind;
  FaultSpec lethal{.chance_percent = only(88)};
  lethal.kinds.assign(4, FaultKind::kKill);
  lethal.kinds.insert(lethal.kinds.end(), 3, FaultKind::kLoseHost);
  lethal.kinds.push_back(FaultKind::kWedge);
  const FaultSpec passing{
      .kinds = {FaultKind::kStop, FaultKind::kSlow, FaultKind::kReset, FaultKind::kStall,
                FaultKind::kPartition, FaultKind::kCorrupt, FaultKind::kBeatsLost,
                FaultKind::kBeatsLate, FaultKind::kBeatsTwice, FaultKind::kArbiterAway,
                FaultKind::kArbiterSlow, FaultKind::kArbiterMute, FaultKind::kClockJump,
                FaultKind::kPause},
      .count = {0, 3}};
  const FaultSpec planned{
      .kinds = {FaultKind::kEnd}, .sides = {sim::Side::kPrimary}, .chance_percent = only(6)};
  return {lethal, passing, planned};
}

}  // namespace ftvm::ftcore::campaign
