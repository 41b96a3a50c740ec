// The two sessions together, over a scripted channel: what a user would notice, and what the oracle
// of the harness must notice when it is broken on purpose.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/pair_harness.h"

namespace ftvm::ftcore {
namespace {

using test::Pair;

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}
#define EXPECT_CLEAN(pair) EXPECT_EQ(joined((pair).oracle.faults), "")

/// Outputs seen outside grow for as long as somebody is live.
bool moves(Pair& pair, std::int64_t ms = 500) {
  const std::size_t before = pair.oracle.stream.size();
  pair.run(ms);
  return pair.oracle.stream.size() > before;
}

TEST(Pair, StartsProtectedAndPutsOut) {
  Pair pair({});
  ASSERT_TRUE(pair.run_until_protected());
  EXPECT_EQ(pair.primary().role(), Role::kPrimary);
  pair.run(1000);
  EXPECT_GT(pair.oracle.stream.size(), 100u);
  EXPECT_EQ(pair.oracle.repeats, 0u);
  EXPECT_EQ(pair.primary().metrics().peer.state, PeerState::kAlive);
  EXPECT_EQ(pair.backup().metrics().peer.state, PeerState::kAlive);
  EXPECT_EQ(pair.backup().metrics().gate.released, 0u);
  EXPECT_CLEAN(pair);
}

TEST(Pair, BackupGoesOnWhereTheKilledPrimaryStopped) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Pair pair({.seed = seed});
    ASSERT_TRUE(pair.run_until_protected());
    pair.run(300 + static_cast<std::int64_t>(seed));
    pair.kill_primary();
    ASSERT_TRUE(pair.run_until([&] { return pair.backup().role() == Role::kLone; }, 1000));
    EXPECT_EQ(pair.backup().epoch(), Epoch{2});
    EXPECT_TRUE(moves(pair));
    EXPECT_GT(pair.oracle.repeats, 0u) << "the backup re-issues what nobody confirmed";
    EXPECT_CLEAN(pair) << "seed " << seed;
  }
}

TEST(Pair, ATakeoverRepeatsWhatNobodyConfirmedAndLittleElse) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Pair pair({.seed = seed, .receipt_ms = 20});
    ASSERT_TRUE(pair.run_until_protected());
    pair.run(2'000 + static_cast<std::int64_t>(seed));
    const std::size_t seen = pair.oracle.stream.size();
    EXPECT_GT(seen, 200u);
    EXPECT_LT(pair.backup().metrics().gate.held, 40u);
    pair.kill_primary();
    ASSERT_TRUE(pair.run_until([&] { return pair.backup().role() == Role::kLone; }, 1000));
    EXPECT_LT(pair.oracle.repeats, 40u) << "of " << seen;
    EXPECT_TRUE(moves(pair));
    EXPECT_CLEAN(pair) << "seed " << seed;
  }
}

TEST(Pair, PrimaryGoesOnAloneWhenItsBackupIsKilled) {
  Pair pair({});
  ASSERT_TRUE(pair.run_until_protected());
  pair.run(300);
  pair.kill_backup();
  ASSERT_TRUE(pair.run_until([&] { return pair.primary().role() == Role::kLone; }, 1000));
  EXPECT_EQ(pair.primary().epoch(), Epoch{2});
  EXPECT_EQ(pair.primary().metrics().gate.held, 0u);
  EXPECT_TRUE(moves(pair));
  EXPECT_EQ(pair.oracle.repeats, 0u);
  EXPECT_CLEAN(pair);
}

TEST(Pair, APartitionLeavesExactlyOneAlive) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Pair pair({.seed = seed});
    ASSERT_TRUE(pair.run_until_protected());
    pair.run(200 + static_cast<std::int64_t>(7 * seed));
    pair.channel_silent = true;
    pair.heartbeats_up = false;
    pair.run(2000);
    const bool primary_lone = pair.primary().role() == Role::kLone;
    const bool backup_lone = pair.backup().role() == Role::kLone;
    EXPECT_NE(primary_lone, backup_lone);
    EXPECT_EQ(primary_lone ? pair.backup().role() : pair.primary().role(), Role::kHalted);
    EXPECT_TRUE(moves(pair));
    EXPECT_CLEAN(pair) << "seed " << seed;
  }
}

TEST(Pair, WithoutTheArbiterNobodyGuesses) {
  Pair pair({});
  ASSERT_TRUE(pair.run_until_protected());
  pair.run(300);
  pair.arbiter_up = false;
  pair.channel_silent = true;
  pair.heartbeats_up = false;
  pair.run(1000);
  const std::size_t seen = pair.oracle.stream.size();
  pair.run(60'000);
  EXPECT_EQ(pair.primary().role(), Role::kArbitrating);
  EXPECT_EQ(pair.backup().role(), Role::kArbitrating);
  EXPECT_EQ(pair.oracle.stream.size(), seen);
  EXPECT_GT(pair.primary().metrics().core.arbiter_unknown, 10u);
  pair.arbiter_up = true;
  EXPECT_TRUE(pair.run_until(
      [&] {
        return (pair.primary().role() == Role::kLone) != (pair.backup().role() == Role::kLone);
      },
      10'000));
  EXPECT_TRUE(moves(pair));
  EXPECT_CLEAN(pair);
}

TEST(Pair, AStoppedPrimaryWakesUpToBeFencedOff) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Pair pair({.seed = seed});
    ASSERT_TRUE(pair.run_until_protected());
    pair.run(250 + static_cast<std::int64_t>(seed));
    pair.primary_stopped = true;
    ASSERT_TRUE(pair.run_until([&] { return pair.backup().role() == Role::kLone; }, 1000));
    pair.run(500);
    pair.primary_stopped = false;
    ASSERT_TRUE(pair.run_until([&] { return pair.primary().role() == Role::kHalted; }, 3000));
    EXPECT_TRUE(moves(pair));
    EXPECT_CLEAN(pair) << "seed " << seed;
  }
}

TEST(Pair, AStoppedBackupWakesUpToBeFencedOff) {
  Pair pair({});
  ASSERT_TRUE(pair.run_until_protected());
  pair.run(250);
  pair.backup_stopped = true;
  ASSERT_TRUE(pair.run_until([&] { return pair.primary().role() == Role::kLone; }, 1000));
  pair.backup_stopped = false;
  ASSERT_TRUE(pair.run_until([&] { return pair.backup().role() == Role::kHalted; }, 3000));
  EXPECT_TRUE(moves(pair));
  EXPECT_CLEAN(pair);
}

TEST(Pair, AShortStopOfEitherSideCostsNothing) {
  Pair pair({});
  ASSERT_TRUE(pair.run_until_protected());
  pair.run(250);
  for (int i = 0; i < 5; ++i) {
    pair.primary_stopped = true;
    pair.run(150);
    pair.primary_stopped = false;
    pair.run(100);
    pair.backup_stopped = true;
    pair.run(150);
    pair.backup_stopped = false;
    pair.run(100);
  }
  EXPECT_EQ(pair.primary().role(), Role::kPrimary);
  EXPECT_EQ(pair.backup().role(), Role::kBackup);
  EXPECT_TRUE(moves(pair));
  EXPECT_CLEAN(pair);
}

TEST(Pair, AWedgedPrimaryIsTakenOver) {
  Pair pair({});
  ASSERT_TRUE(pair.run_until_protected());
  pair.run(250);
  pair.primary_wedged = true;
  ASSERT_TRUE(pair.run_until([&] { return pair.backup().role() == Role::kLone; }, 2000));
  ASSERT_TRUE(pair.run_until([&] { return pair.primary().role() == Role::kHalted; }, 1000));
  EXPECT_CLEAN(pair);
}

TEST(Pair, APauseIsNoDeathHoweverLong) {
  Pair pair({});
  ASSERT_TRUE(pair.run_until_protected());
  pair.run(250);
  pair.primary().on_pause(true, pair.now());
  pair.run(60'000);
  EXPECT_FALSE(moves(pair));
  EXPECT_EQ(pair.primary().role(), Role::kPrimary);
  EXPECT_EQ(pair.backup().role(), Role::kBackup);
  pair.primary().on_pause(false, pair.now());
  EXPECT_TRUE(moves(pair));
  pair.backup().on_pause(true, pair.now());
  EXPECT_FALSE(pair.backup().paused()) << "it follows";
  EXPECT_TRUE(moves(pair));
  EXPECT_EQ(pair.primary().role(), Role::kPrimary);
  EXPECT_EQ(pair.backup().role(), Role::kBackup);
  EXPECT_CLEAN(pair);
}

TEST(Pair, LosingOneWitnessIsOnlySuspicious) {
  Pair pair({});
  ASSERT_TRUE(pair.run_until_protected());
  pair.heartbeats_up = false;
  pair.run(5'000);
  EXPECT_EQ(pair.primary().role(), Role::kPrimary);
  EXPECT_EQ(pair.backup().role(), Role::kBackup);
  EXPECT_EQ(pair.primary().metrics().peer.state, PeerState::kSuspicious);
  pair.heartbeats_up = true;
  pair.run(100);
  EXPECT_EQ(pair.primary().metrics().peer.state, PeerState::kAlive);
  EXPECT_TRUE(moves(pair));
  EXPECT_CLEAN(pair);
}

TEST(Pair, AClosedChannelWithLiveHeartbeatsEndsInOneLiveNode) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Pair pair({.seed = seed});
    ASSERT_TRUE(pair.run_until_protected());
    pair.run(250 + static_cast<std::int64_t>(seed));
    pair.cut_channel();
    pair.run(100);
    EXPECT_EQ(pair.primary().role(), Role::kPrimary) << "heartbeats say that it lives";
    pair.run(4'000);
    EXPECT_NE(pair.primary().role() == Role::kLone, pair.backup().role() == Role::kLone);
    EXPECT_TRUE(moves(pair));
    EXPECT_CLEAN(pair) << "seed " << seed;
  }
}

TEST(Pair, LostMessagesEndTheSessionNotTheRules) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Pair pair({.seed = seed});
    ASSERT_TRUE(pair.run_until_protected());
    pair.run(250);
    pair.channel_silent = true;
    pair.run(30);
    pair.channel_silent = false;
    pair.run(5'000);
    EXPECT_EQ(pair.backup().metrics().core.gaps, 1u);
    EXPECT_NE(pair.primary().role() == Role::kLone, pair.backup().role() == Role::kLone);
    EXPECT_CLEAN(pair) << "seed " << seed;
  }
}

TEST(Pair, BothEndWhenTheGuestPowersOff) {
  for (const EndReason reason :
       {EndReason::kPowerOff, EndReason::kDebugExit, EndReason::kStopped}) {
    Pair pair({});
    ASSERT_TRUE(pair.run_until_protected());
    pair.run(250);
    pair.end_primary = reason;
    ASSERT_TRUE(pair.run_until([&] { return pair.primary_finish && pair.backup_finish; }, 1000));
    EXPECT_EQ(pair.primary_finish, reason);
    EXPECT_EQ(pair.backup_finish, reason);
    EXPECT_EQ(pair.primary_live + pair.backup_live, 0u) << "nobody asked the arbiter";
    EXPECT_EQ(pair.primary().metrics().gate.dropped, 0u) << "every last word was said";
    EXPECT_CLEAN(pair);
  }
}

TEST(Pair, TheLastWordsOutliveAPrimaryThatDiesBehindItsEnd) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Pair pair({.seed = seed});
    ASSERT_TRUE(pair.run_until_protected());
    pair.run(250 + static_cast<std::int64_t>(seed));
    pair.end_primary = EndReason::kPowerOff;
    ASSERT_TRUE(pair.run_until([&] { return pair.backup().role() == Role::kDraining; }, 100));
    pair.kill_primary();
    ASSERT_TRUE(pair.run_until([&] { return pair.backup_finish.has_value(); }, 1000));
    EXPECT_EQ(pair.backup_finish, EndReason::kPowerOff);
    EXPECT_EQ(pair.backup_live, 2u) << "the arbiter says that nobody else is";
    EXPECT_EQ(pair.oracle.stream.size(), pair.outputs_made()) << "seed " << seed;
    EXPECT_CLEAN(pair) << "seed " << seed;
  }
}

TEST(Pair, HandOverMovesTheMachine) {
  for (const EndReason reason : {EndReason::kHandOver, EndReason::kDiskFull}) {
    Pair pair({});
    ASSERT_TRUE(pair.run_until_protected());
    pair.run(250);
    EXPECT_TRUE(pair.primary().can_hand_over());
    const std::int64_t began = pair.ms();
    pair.end_primary = reason;
    ASSERT_TRUE(pair.run_until([&] { return pair.backup().role() == Role::kLone; }, 1000));
    EXPECT_LT(pair.ms() - began, 100) << "at once, not after the detection time";
    ASSERT_TRUE(pair.run_until([&] { return pair.primary_finish.has_value(); }, 100));
    EXPECT_EQ(pair.primary_finish, reason);
    EXPECT_EQ(pair.backup().epoch(), Epoch{2});
    EXPECT_TRUE(moves(pair));
    EXPECT_CLEAN(pair);
  }
}

TEST(Pair, AHandOverToADeadBackupSaysSo) {
  Pair pair({});
  ASSERT_TRUE(pair.run_until_protected());
  pair.run(250);
  pair.kill_backup();
  pair.end_primary = EndReason::kHandOver;
  ASSERT_TRUE(pair.run_until([&] { return pair.primary_finish.has_value(); }, 2000));
  EXPECT_NE(pair.primary_ends.back().find("hand-over failed"), std::string::npos);
  EXPECT_EQ(pair.primary().metrics().gate.dropped, 0u);
  EXPECT_CLEAN(pair);
}

TEST(Pair, ABackupThatLeavesSetsThePrimaryFreeAtOnce) {
  Pair pair({});
  ASSERT_TRUE(pair.run_until_protected());
  pair.run(250);
  pair.backup().on_leave(pair.now());
  ASSERT_TRUE(pair.run_until([&] { return pair.primary().role() == Role::kLone; }, 50));
  EXPECT_EQ(pair.backup_finish, EndReason::kStopped);
  EXPECT_TRUE(moves(pair));
  EXPECT_CLEAN(pair);
}

TEST(Pair, ADivergedBackupNeverGoesLive) {
  Pair pair({});
  ASSERT_TRUE(pair.run_until_protected());
  pair.run(250);
  pair.backup().on_diverged("record 7: another byte", pair.now());
  pair.kill_primary();
  pair.run(5'000);
  EXPECT_EQ(pair.backup().role(), Role::kHalted);
  EXPECT_NE(pair.backup_ends.back().find("record 7"), std::string::npos);
  EXPECT_CLEAN(pair);
}

TEST(Pair, APrimaryLostBeforeProtectionTakesTheMachineWithIt) {
  Pair pair({});
  pair.arbiter_up = false;  // It joins, but can not be protected.
  pair.run(500);
  EXPECT_EQ(pair.primary().role(), Role::kJoining);
  EXPECT_EQ(pair.backup().role(), Role::kSyncing);
  EXPECT_EQ(pair.oracle.stream.size(), 0u) << "not one tick before protection";
  pair.kill_primary();
  pair.run(2'000);
  EXPECT_EQ(pair.backup().role(), Role::kHalted);
  EXPECT_NE(pair.backup_ends.back().find("in sync"), std::string::npos);
  EXPECT_CLEAN(pair);
}

TEST(Pair, ABackupLostBeforeProtectionCanBeReplaced) {
  Pair pair({});
  pair.arbiter_up = false;
  pair.run(500);
  pair.kill_backup();
  pair.run(500);
  EXPECT_EQ(pair.primary().role(), Role::kWaiting);
  EXPECT_TRUE(pair.primary().paused());
  EXPECT_CLEAN(pair);
}

TEST(Pair, ASlowBackupIsKeptCloseByTheDuty) {
  Pair pair({.ticks_per_ms = 1000, .backup_speed = 0.05});  // Ten times slower: 100 a millisecond.
  ASSERT_TRUE(pair.run_until_protected());
  pair.run(10'000);
  const PrimarySession::Metrics metrics = pair.primary().metrics();
  EXPECT_LT(metrics.lag.execution_lag_ms, 200);
  EXPECT_LT(metrics.duty, 0.2);
  EXPECT_EQ(pair.primary().role(), Role::kPrimary);
  EXPECT_CLEAN(pair);
}

TEST(Pair, PlantedBugsAreCaught) {
  const auto faults = [](Pair::Plant plant) {
    std::string text;
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
      Pair pair({.seed = seed,
                 .plant = plant,
                 .delay_ms = 5,
                 .backup_speed = 0.05,
                 .receipt_ms = plant == Pair::Plant::kConfirmUnseen ? 100 : 0});
      EXPECT_TRUE(pair.run_until_protected());
      pair.run(100 + static_cast<std::int64_t>(seed));
      if (plant == Pair::Plant::kTwoWinners) {
        pair.channel_silent = true;
        pair.heartbeats_up = false;
      } else {
        pair.kill_primary();
      }
      pair.run(2'000);
      text += joined(pair.oracle.faults);
    }
    return text;
  };
  EXPECT_EQ(faults(Pair::Plant::kNone), "");
  EXPECT_NE(faults(Pair::Plant::kReleaseEarly).find("before the backup had its mark"),
            std::string::npos);
  EXPECT_NE(faults(Pair::Plant::kAckUnseen).find("before the backup had its mark"),
            std::string::npos);
  EXPECT_NE(faults(Pair::Plant::kConfirmUnseen).find("left out of order"), std::string::npos);
  EXPECT_NE(faults(Pair::Plant::kTwoWinners).find("both nodes"), std::string::npos);
  EXPECT_NE(faults(Pair::Plant::kSkipDrain), "");
}

/// A pair with a character, drawn from the seed.
Pair::Options drawn(std::uint64_t seed, Prng& rng) {
  return {.seed = seed,
          .delay_ms = static_cast<std::int64_t>(1 + rng.below(20)),
          .ticks_per_ms = 50 + rng.below(400),
          .backup_speed = 0.2 + static_cast<double>(rng.below(10)) / 8,
          .arbiter_ms = static_cast<std::int64_t>(1 + rng.below(50)),
          .receipt_ms = static_cast<std::int64_t>(rng.below(2) * rng.below(80))};
}

/// One fault, or the end of one, out of everything the pair claims to survive.
void strike(Pair& pair, Prng& rng, std::uint64_t kinds) {
  switch (rng.below(kinds)) {
    case 0:
      pair.primary_stopped = !pair.primary_stopped;
      break;
    case 1:
      pair.backup_stopped = !pair.backup_stopped;
      break;
    case 2:
      pair.heartbeats_up = !pair.heartbeats_up;
      break;
    case 3:
      pair.channel_silent = !pair.channel_silent;
      break;
    case 4:
      pair.arbiter_up = !pair.arbiter_up;
      break;
    case 5:
      pair.cut_channel();
      break;
    case 6:
      pair.primary().on_pause(rng.chance(1, 2), pair.now());
      break;
    case 7:
      pair.kill_primary();
      break;
    default:
      pair.kill_backup();
  }
}
constexpr std::uint64_t kFaultKinds = 9;
constexpr std::uint64_t kCurableKinds = 7;  // The first ones: nobody is killed.

TEST(Pair, KeepsTheRulesUnderSeededFaults) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Prng rng = Prng(seed).fork("faults");
    Pair pair(drawn(seed, rng));
    for (std::uint64_t i = 0, count = 1 + rng.below(4); i < count; ++i) {
      pair.run(static_cast<std::int64_t>(rng.below(600)));
      strike(pair, rng, kFaultKinds);
    }
    pair.run(static_cast<std::int64_t>(rng.below(3'000)));
    ASSERT_EQ(joined(pair.oracle.faults), "") << "seed " << seed;
  }
}

TEST(Pair, OnceProtectedItOutlivesEveryFaultThatPasses) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Prng rng = Prng(seed).fork("curable");
    Pair pair(drawn(seed, rng));
    ASSERT_TRUE(pair.run_until_protected()) << "seed " << seed;
    for (std::uint64_t i = 0, count = 1 + rng.below(5); i < count; ++i) {
      pair.run(static_cast<std::int64_t>(rng.below(600)));
      strike(pair, rng, kCurableKinds);
    }
    pair.primary_stopped = pair.backup_stopped = pair.channel_silent = false;
    pair.heartbeats_up = pair.arbiter_up = true;
    pair.primary().on_pause(false, pair.now());
    pair.run(12'000);
    EXPECT_TRUE(moves(pair)) << "seed " << seed << ": primary " << role_name(pair.primary().role())
                             << ", backup " << role_name(pair.backup().role());
    ASSERT_EQ(joined(pair.oracle.faults), "") << "seed " << seed;
  }
}

TEST(Pair, ASeedGivesTheSameRunTwice) {
  const auto digest = [](std::uint64_t seed) {
    Prng rng = Prng(seed).fork("curable");
    Pair pair(drawn(seed, rng));
    pair.run(400);
    strike(pair, rng, kFaultKinds);
    pair.run(2'000);
    std::uint64_t hash = pair.oracle.stream.size() * 31 + pair.oracle.repeats;
    for (const auto& [number, said] : pair.oracle.stream) hash = hash * 31 + said;
    return hash;
  };
  for (std::uint64_t seed = 1; seed <= 20; ++seed) EXPECT_EQ(digest(seed), digest(seed));
}

}  // namespace
}  // namespace ftvm::ftcore
