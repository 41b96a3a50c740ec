// Plans as text: what is left out, what comes back, and what is refused with its place.
#include <gtest/gtest.h>

#include <string>

#include "tests/campaign/campaign_fixture.h"

namespace ftvm::ftcore::campaign {
namespace {

using sim::FaultKind;
using sim::Moment;
using sim::Side;

std::string refusal(const std::string& text) {
  const Result<Plan> plan = parse_plan(text, "p.toml");
  if (plan) return "taken";
  EXPECT_EQ(plan.error().code(), ErrorCode::kUsage);
  return plan.error().message();
}

TEST(Plan, AnEmptyFileIsTheStandardPlan) {
  EXPECT_EQ(test::plan_of(""), Plan{});
}

TEST(Plan, TheStandardPlanComesBack) {
  EXPECT_EQ(test::plan_of(plan_text(Plan{})), Plan{});
}

TEST(Plan, AllOfItIsRead) {
  const Plan plan = test::plan_of(R"(
name = "all"
guest = ["toy", "/guests/a.bin"]
seed = 7
runs = 12
twice_percent = 100
plant = "ack_unseen"

[program]
command = ["run", "{seed}"]
case = ["a", "b"]
seconds_max = 5

[pair]
detection_ms = 40
heartbeat_ms = [4, 5]
backup_speed_percent = [50, 60]

[pair.primary]
ticks_per_ms = 500

[[fault]]
kind = ["kill", "kill", "slow"]
side = "primary"
at = { left = [3, 17] }
chance_percent = 50
count = 2
for_us = [10, 20]
share_percent = 30

[[fault]]
kind = "end"
at = [{ after_us = 1_000 }, { tick = 1_234_567 }]
reason = ["hand_over", "stopped"]
)");
  EXPECT_EQ(plan.name, "all");
  EXPECT_EQ(plan.guests, (std::vector<std::string>{"toy", "/guests/a.bin"}));
  EXPECT_EQ(plan.seed, 7u);
  EXPECT_EQ(plan.runs, 12u);
  EXPECT_EQ(plan.twice_percent, 100u);
  EXPECT_EQ(plan.plant, sim::Plant::kAckUnseen);
  EXPECT_EQ(plan.program, (ProgramSpec{{"run", "{seed}"}, {"a", "b"}, 5}));
  EXPECT_EQ(plan.pair.detection_ms, only(40));
  EXPECT_EQ(plan.pair.heartbeat_ms, (Range{4, 5}));
  EXPECT_EQ(plan.pair.backup_speed_percent, (Range{50, 60}));
  EXPECT_EQ(plan.pair.primary.ticks_per_ms, only(500));
  ASSERT_EQ(plan.faults.size(), 2u);
  const FaultSpec first{.kinds = {FaultKind::kKill, FaultKind::kKill, FaultKind::kSlow},
                        .sides = {Side::kPrimary},
                        .places = {{.moment = Moment::kLeft, .where = {3, 17}}},
                        .chance_percent = only(50),
                        .count = only(2),
                        .for_us = Range{10, 20},
                        .share_percent = only(30)};
  EXPECT_EQ(plan.faults[0], first);
  const FaultSpec second{
      .kinds = {FaultKind::kEnd},
      .places = {{.where = only(1'000)}, {.moment = Moment::kTick, .where = only(1'234'567)}},
      .reasons = {EndReason::kHandOver, EndReason::kStopped}};
  EXPECT_EQ(plan.faults[1], second);
  EXPECT_EQ(test::plan_of(plan_text(plan)), plan);
}

TEST(Plan, ABackupWithASpeedOfItsOwnHasNoOther) {
  const Plan plan = test::plan_of("[pair.backup]\nticks_per_ms = 10\n");
  EXPECT_FALSE(plan.pair.backup_speed_percent.has_value());
  EXPECT_EQ(test::plan_of(plan_text(plan)), plan);
}

TEST(Plan, WithoutFaultsItHasNone) {
  const Plan plan = test::plan_of("fault = []\n");
  EXPECT_TRUE(plan.faults.empty());
  EXPECT_EQ(test::plan_of(plan_text(plan)), plan);
}

TEST(Plan, EveryDrawnRunIsAPlanThatDrawsItAgain) {
  const Plan plan;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    const Plan exact = exact_plan(draw_run(plan, seed));
    const Plan read = test::plan_of(plan_text(exact));
    EXPECT_EQ(read, exact) << "seed " << seed;
    EXPECT_EQ(exact_plan(draw_run(read, seed)), exact) << "seed " << seed;
  }
}

TEST(Plan, AnExactPlanRunsAsTheDrawnOneDid) {
  const Plan plan;
  const Guests guests = test::guests_of(plan.guests);
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const PairRun run = draw_run(plan, seed);
    const PairRun again = draw_run(exact_plan(run), seed);
    EXPECT_EQ(execute(run, guests).digest, execute(again, guests).digest) << "seed " << seed;
  }
}

struct Refused {
  const char* text;
  const char* message;
};
class PlanRefuses : public ::testing::TestWithParam<Refused> {};

TEST_P(PlanRefuses, ByLineColumnAndField) {
  EXPECT_EQ(refusal(GetParam().text), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    All, PlanRefuses,
    ::testing::Values(
        Refused{"runs = 0", "p.toml:1:8: runs: must be a number from 1 to 1000000000000"},
        Refused{"runs = 1.5", "p.toml:1:8: runs: must be a number from 1 to 1000000000000"},
        Refused{"seed = -1", "p.toml:1:8: seed: must be a number from 0 to 9223372036854775807"},
        Refused{"name = 3", "p.toml:1:8: name: must be a text, or a list of texts"},
        Refused{"guest = []", "p.toml:1:9: guest: must not be empty"},
        Refused{"plant = \"none at all\"",
                "p.toml:1:9: plant: 'none at all' is none of none, release_early, ack_unseen, "
                "two_winners, skip_drain, confirm_unseen, forget_reissue, wrong_sync, "
                "wrong_replica, epoch_stays, halted_speaks, mark_early, input_late, unknown_wins, "
                "own_beats, rep_count, stale_translation, interrupt_late"},
        Refused{"rums = 3",
                "p.toml:1:1: rums: no such field; there are fault, guest, name, pair, plant, "
                "program, runs, seed, twice_percent"},
        Refused{"[program]\ncase = \"a\"",
                "p.toml:1:1: program: needs a command, of a thousand words at most"},
        Refused{"pair = 3", "p.toml:1:8: pair: must be a table"},
        Refused{"[pair]\nrun_ms = [5, 4]",
                "p.toml:2:10: pair.run_ms: must be a number, or two as [least, most], from 1 to "
                "3600000"},
        Refused{"[pair]\nrun_ms = [1, 2, 3]",
                "p.toml:2:10: pair.run_ms: must be a number, or two as [least, most], from 1 to "
                "3600000"},
        Refused{"[pair]\nbackup_speed_percent = 90\n[pair.backup]\nticks_per_ms = 5",
                "p.toml:4:16: pair.backup.ticks_per_ms: contradicts backup_speed_percent; say "
                "one"},
        Refused{"fault = 1", "p.toml:1:9: fault: must be a list of at most 1000 tables"},
        Refused{"fault = [1]", "p.toml:1:10: fault: must be a list of tables"},
        Refused{"[[fault]]\nkind = \"kil\"",
                "p.toml:2:8: fault 1: kind: 'kil' is none of kill, lose_host, stop, wedge, slow, "
                "reset, stall, partition, corrupt, beats_lost, beats_late, beats_twice, "
                "arbiter_away, arbiter_slow, arbiter_mute, arbiter_torn, clock_jump, pause, end"},
        Refused{"[[fault]]\nside = \"left\"",
                "p.toml:2:8: fault 1: side: 'left' is none of primary, backup"},
        Refused{"[[fault]]\nat = {}",
                "p.toml:2:6: fault 1: at: needs a place, such as { left = [1, 100] } or { "
                "after_us = 5000 }"},
        Refused{"[[fault]]\nat = { left = 0 }",
                "p.toml:2:15: fault 1: at.left: must be a number, or two as [least, most], from 1 "
                "to 281474976710656"},
        Refused{"[[fault]]\nchance_percent = 101",
                "p.toml:2:18: fault 1: chance_percent: must be a number, or two as [least, most], "
                "from 0 to 100"}));

TEST(Plan, WhatIsNoTomlIsRefusedWithItsPlace) {
  const std::string message = refusal("runs = 3\nseed = = 4\n");
  EXPECT_TRUE(message.starts_with("p.toml:2:8: TOML: ")) << message;
}

}  // namespace
}  // namespace ftvm::ftcore::campaign
