// The role table, walked pair by pair: what is an edge, and that nothing else is.
#include "ftcore/protocol/role.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "ftcore/protocol/planned_end.h"

namespace ftvm::ftcore {
namespace {

constexpr Role role_at(int index) {
  return static_cast<Role>(index);
}
constexpr RoleEvent event_at(int index) {
  return static_cast<RoleEvent>(index);
}

/// The table once more, written the other way round: one row per role, one letter per event in the
/// order of RoleEvent, '.' for no edge. Two people would have to make the same mistake.
struct RoleRow {
  Role role;
  const char* to;
};
//                              SA BJ BR Pr BL PL HO En Dr Wo Lo Re Di Le HE
constexpr RoleRow kRows[] = {
    {Role::kWaiting, "LJ.....F...H..H"},     {Role::kJoining, "..P.W..F...H..H"},
    {Role::kLone, ".......F......H"},        {Role::kPrimary, "....A..E......H"},
    {Role::kEnding, "....A...F.....H"},      {Role::kSyncing, "...B.H.....HHFH"},
    {Role::kBackup, ".....AAD....HFH"},      {Role::kDraining, ".....A..F...HFH"},
    {Role::kArbitrating, ".........LH.HFH"}, {Role::kFinished, "..............."},
    {Role::kHalted, "..............."}};

std::optional<Role> role_of(char letter) {
  switch (letter) {
    case 'W':
      return Role::kWaiting;
    case 'J':
      return Role::kJoining;
    case 'L':
      return Role::kLone;
    case 'P':
      return Role::kPrimary;
    case 'E':
      return Role::kEnding;
    case 'B':
      return Role::kBackup;
    case 'D':
      return Role::kDraining;
    case 'A':
      return Role::kArbitrating;
    case 'F':
      return Role::kFinished;
    case 'H':
      return Role::kHalted;
    default:
      return std::nullopt;
  }
}

TEST(Role, EveryPairOfRoleAndEventGoesWhereItShould) {
  ASSERT_EQ(std::size(kRows), static_cast<std::size_t>(kRoleCount));
  for (const RoleRow& row : kRows) {
    ASSERT_EQ(std::string(row.to).size(), static_cast<std::size_t>(kRoleEventCount));
    for (int e = 0; e < kRoleEventCount; ++e) {
      EXPECT_EQ(next_role(row.role, event_at(e)), role_of(row.to[e]))
          << role_name(row.role) << " on " << role_event_name(event_at(e));
    }
  }
}

TEST(Role, FinalRolesReleaseNothingEver) {
  for (const Role role : {Role::kFinished, Role::kHalted}) {
    EXPECT_EQ(gate_mode(role), GateMode::kDropped);
    EXPECT_FALSE(may_release_output(role));
  }
}

TEST(Role, EveryPathToReleasingOutputAfterALossGoesThroughTheArbiter) {
  for (const RoleEdge& edge : kRoleEdges) {
    if (edge.event == RoleEvent::kPrimaryLost || edge.event == RoleEvent::kBackupLost ||
        edge.event == RoleEvent::kHandOver) {
      EXPECT_FALSE(may_release_output(edge.to)) << role_name(edge.from);
    }
  }
}

TEST(Role, ABackupThatIsNotInSyncNeverAsksTheArbiter) {
  for (int e = 0; e < kRoleEventCount; ++e) {
    EXPECT_NE(next_role(Role::kSyncing, event_at(e)), Role::kArbitrating);
  }
}

TEST(Role, EveryRoleCanBeReachedAndHasItsOwnName) {
  std::set<Role> reached{Role::kWaiting, Role::kSyncing};
  for (int i = 0; i < kRoleCount; ++i) {
    for (const RoleEdge& edge : kRoleEdges) {
      if (reached.count(edge.from) != 0) reached.insert(edge.to);
    }
  }
  EXPECT_EQ(reached.size(), static_cast<std::size_t>(kRoleCount));
  std::set<std::string_view> names;
  for (int i = 0; i < kRoleCount; ++i) names.insert(role_name(role_at(i)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kRoleCount));
  names.clear();
  for (int i = 0; i < kRoleEventCount; ++i) names.insert(role_event_name(event_at(i)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kRoleEventCount));
}

TEST(PlannedEnd, EveryReasonHasAPlanAndAFailedNodeIsADeath) {
  for (int reason = 1; reason <= static_cast<int>(EndReason::kDeadlock); ++reason) {
    bool listed = false;
    for (const EndPlanRow& row : kEndPlans) {
      listed = listed || row.reason == static_cast<EndReason>(reason);
    }
    EXPECT_TRUE(listed) << reason;
  }
  EXPECT_EQ(end_plan(EndReason::kHalted), EndPlan::kDeath);
  EXPECT_EQ(end_plan(EndReason::kDiverged), EndPlan::kDeath);
  EXPECT_EQ(end_plan(EndReason::kHandOver), EndPlan::kHandOver);
}

}  // namespace
}  // namespace ftvm::ftcore
