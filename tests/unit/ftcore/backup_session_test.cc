// The backup's session with the test as its primary: every message in every state, every way a
// primary can go. Both sessions together are pair_test.cc.
#include "ftcore/protocol/backup_session.h"

#include <gtest/gtest.h>

#include "ftcore/protocol/hello_check.h"
#include "tests/unit/ftcore/session_fixture.h"

namespace ftvm::ftcore {
namespace {

using namespace test;

TEST(BackupSession, SaysHelloUntilItIsAnswered) {
  BackupFixture f;
  const Actions first = f.poll();
  ASSERT_NE(first.sent<Hello>(), nullptr);
  EXPECT_EQ(first.sent<Hello>()->incarnation, kBackupId);
  EXPECT_EQ(f.pass(900, false).sent<Hello>(), nullptr);
  EXPECT_NE(f.pass(200, false).sent<Hello>(), nullptr);
  const Actions joined = f.say(f.welcome());
  EXPECT_NE(joined.sent<Joined>(), nullptr);
  ASSERT_NE(joined.sent<Ack>(), nullptr) << "tells its room";
  EXPECT_GT(joined.sent<Ack>()->room_bytes, 0u);
  ASSERT_NE(joined.find<StartHeartbeats>(), nullptr);
  EXPECT_EQ(f.pass(2'000).sent<Hello>(), nullptr);
  EXPECT_EQ(f.backup.role(), Role::kSyncing);
}

TEST(BackupSession, ARefusalEndsItWithThePrimarysWords) {
  BackupFixture f;
  f.backup.on_message({{}, {}, {}, Refuse{"board: pc, toaster"}}, f.now());
  EXPECT_NE(f.poll().halt_reason().find("board: pc, toaster"), std::string::npos);
}

TEST(BackupSession, AWelcomeThatCanNotBeIsRefused) {
  BackupFixture f;
  Welcome bad = f.welcome();
  bad.detection_ms = 0;
  const Actions actions = f.say(bad);
  EXPECT_NE(actions.sent<Refuse>(), nullptr);
  EXPECT_EQ(f.backup.role(), Role::kHalted);
  BackupFixture g;
  g.backup.on_message({kPair, id_of(8), g.epoch, g.welcome()}, g.now());
  EXPECT_EQ(g.backup.role(), Role::kHalted) << "the envelope is of another session";
}

TEST(BackupSession, BeforeProtectedALostPrimaryMeansHalt) {
  BackupFixture f;
  f.join();
  const Actions lost = f.pass(300, false);
  EXPECT_EQ(lost.find<Arbitrate>(), nullptr);
  EXPECT_NE(lost.halt_reason().find("before this backup was in sync"), std::string::npos);
}

TEST(BackupSession, BeforeProtectedAClosedChannelOrAByeMeansHalt) {
  BackupFixture closed;
  closed.join();
  closed.backup.on_channel_closed(closed.now());
  EXPECT_EQ(closed.backup.role(), Role::kHalted);
  BackupFixture bye;
  bye.join();
  bye.say(Bye{"stopped"});
  EXPECT_EQ(bye.backup.role(), Role::kHalted);
}

TEST(BackupSession, AGapIsNeverAcknowledgedAndEndsTheSession) {
  BackupFixture f;
  f.protect();
  const Actions gap = f.say(Records{{record(f.seq + 2, f.tick, ConsoleBytes{})}});
  EXPECT_EQ(gap.find<Deliver>(), nullptr);
  EXPECT_EQ(gap.sent<Ack>(), nullptr);
  EXPECT_NE(gap.find<CloseChannel>(), nullptr);
  const Actions after = f.say(Records{{record(f.seq + 1, f.tick, ConsoleBytes{})}});
  EXPECT_EQ(after.sent<Ack>(), nullptr) << "closed is for good";
  EXPECT_EQ(f.backup.metrics().accepted, JournalSeq{f.seq});
  EXPECT_EQ(f.backup.role(), Role::kBackup) << "what it has is still good for a takeover";
  f.lose_primary();
}

TEST(BackupSession, RecordsThatSteerMustFitTheSession) {
  const auto breaks = [](auto&& reach, replay::RecordBody body) {
    BackupFixture f;
    reach(f);
    f.send(std::move(body));
    return f.backup.metrics().core.gaps == 1;
  };
  const auto joined = [](BackupFixture& f) { f.join(); };
  const auto in_sync = [](BackupFixture& f) { f.protect(); };
  EXPECT_TRUE(breaks(joined, replay::Protected{{7}})) << "another epoch";
  EXPECT_TRUE(breaks(in_sync, replay::Protected{{1}})) << "twice";
  EXPECT_TRUE(breaks(in_sync, replay::Alone{{2}}));
  EXPECT_TRUE(breaks(joined, replay::End{EndReason::kPowerOff, {}}));
  EXPECT_FALSE(breaks(joined, ConsoleBytes{}));
  EXPECT_FALSE(breaks(joined, replay::Protected{{1}}));
}

TEST(BackupSession, GoesLiveOnlyDrainedAndWon) {
  for (const bool drained_first : {true, false}) {
    BackupFixture f;
    f.protect();
    f.tick += 50;
    f.send(output_mark());
    f.backup.on_output({f.seq}, output(f.tick), f.now());
    const Actions lost = f.pass(300, false);
    ASSERT_NE(lost.find<Drain>(), nullptr);
    EXPECT_EQ(lost.find<Drain>()->last, JournalSeq{f.seq});
    EXPECT_EQ(lost.find<Drain>()->limit, Tick{f.tick});
    ASSERT_NE(lost.find<Arbitrate>(), nullptr);
    EXPECT_EQ(lost.find<Arbitrate>()->epoch, Epoch{1});
    EXPECT_EQ(lost.find<Arbitrate>()->incarnation, kBackupId);
    const Actions half = drained_first ? f.drained() : f.arbiter(ArbiterAnswer::kWon);
    EXPECT_EQ(half.find<GoLive>(), nullptr);
    EXPECT_EQ(half.released(), 0u);
    EXPECT_EQ(f.backup.kept(), JournalSeq{}) << "what it has is its primary's";
    EXPECT_EQ(f.backup.role(), Role::kArbitrating);
    const Actions whole = drained_first ? f.arbiter(ArbiterAnswer::kWon) : f.drained();
    ASSERT_NE(whole.find<GoLive>(), nullptr);
    EXPECT_EQ(whole.find<GoLive>()->epoch, Epoch{2});
    EXPECT_EQ(whole.released(), 1u) << "re-issued: nobody confirmed it";
    EXPECT_LT(whole.index_of<GoLive>(), whole.index_of<Journal>());
    EXPECT_LT(whole.index_of<Journal>(), whole.index_of<Release>());
    ASSERT_NE(whole.sent<HigherEpoch>(), nullptr);
    EXPECT_EQ(f.backup.role(), Role::kLone);
    EXPECT_GT(f.backup.kept(), JournalSeq{f.seq});
  }
}

TEST(BackupSession, AcceptsNothingOnceItArbitrates) {
  BackupFixture f;
  f.protect();
  f.lose_primary();
  const Actions late = f.send(ConsoleBytes{0, {1}});
  EXPECT_EQ(late.find<Deliver>(), nullptr);
  EXPECT_EQ(late.sent<Ack>(), nullptr);
  EXPECT_EQ(f.say(Progress{{1'000'000}, {f.seq}}).find<Grant>(), nullptr);
}

TEST(BackupSession, ALostArbitrationHaltsIt) {
  BackupFixture f;
  f.protect();
  f.lose_primary();
  f.drained();
  EXPECT_NE(f.arbiter(ArbiterAnswer::kLost).halt_reason(), "");
  EXPECT_EQ(f.backup.role(), Role::kHalted);
}

TEST(BackupSession, AnUnknownAnswerIsAskedAgainLater) {
  BackupFixture f;
  f.protect();
  f.lose_primary();
  f.drained();
  EXPECT_EQ(f.arbiter(ArbiterAnswer::kUnknown).find<GoLive>(), nullptr);
  EXPECT_EQ(f.pass(90, false).find<Arbitrate>(), nullptr);
  EXPECT_NE(f.pass(20, false).find<Arbitrate>(), nullptr);
  EXPECT_NE(f.arbiter(ArbiterAnswer::kWon).find<GoLive>(), nullptr);
}

TEST(BackupSession, KeepsItsOutputsWithinALimitAndForgetsWhatIsConfirmed) {
  BackupSession::Options options = BackupFixture::defaults();
  options.held_bytes_max = 4 * (OutputGate::kOutputOverheadBytes + 1);
  BackupFixture f(std::move(options));
  f.protect();
  for (int i = 0; i < 10; ++i) {
    ++f.tick;
    f.send(output_mark());
    f.backup.on_output({f.seq}, output(f.tick), f.now());
  }
  EXPECT_EQ(f.backup.metrics().gate.held, 4u);
  f.say(Confirmed{{f.seq - 1}});
  EXPECT_EQ(f.backup.metrics().gate.held, 1u);
  EXPECT_EQ(f.backup.metrics().confirmed, JournalSeq{f.seq - 1});
  f.lose_primary();
  f.drained();
  EXPECT_EQ(f.arbiter(ArbiterAnswer::kWon).released(), 1u);
}

TEST(BackupSession, TakesThePrimarysTimeOfDayBeforeAnythingElse) {
  BackupSession::Options options = BackupFixture::defaults();
  options.takes_time = true;
  BackupFixture f(std::move(options));
  const Actions said = f.poll();
  ASSERT_NE(said.sent<Hello>(), nullptr);
  EXPECT_TRUE(said.sent<Hello>()->takes_time);
  Welcome welcome = f.welcome();
  welcome.boot_unix_s = 1'700'000'000;
  const Actions actions = f.say(welcome);
  ASSERT_NE(actions.find<SetBootTime>(), nullptr);
  EXPECT_EQ(actions.find<SetBootTime>()->boot_unix_s, 1'700'000'000);
  EXPECT_EQ(actions.index_of<SetBootTime>(), 0u);
}

TEST(BackupSession, ItsOwnTimeOfDayIsNotChangedByAWelcome) {
  BackupFixture f;
  Welcome welcome = f.welcome();
  welcome.boot_unix_s = 1;
  const Actions actions = f.say(welcome);
  EXPECT_EQ(f.backup.role(), Role::kHalted);
  EXPECT_NE(actions.halt_reason().find("another time of day"), std::string::npos);
  EXPECT_NE(actions.sent<Refuse>(), nullptr);
  BackupFixture same;
  EXPECT_EQ(same.say(same.welcome()).find<SetBootTime>(), nullptr);
  EXPECT_EQ(same.backup.role(), Role::kSyncing);
}

TEST(BackupSession, AnOutputThatWasConfirmedBeforeItsMachineMadeItIsNotKept) {
  BackupFixture f;
  f.protect();
  f.tick += 2;
  f.send(output_mark());
  f.send(output_mark());
  f.say(Confirmed{{f.seq - 1}});
  f.backup.on_output({f.seq - 1}, output(f.tick), f.now());
  EXPECT_EQ(f.backup.metrics().gate.held, 0u);
  EXPECT_EQ(f.backup.metrics().gate.forgotten, 1u);
  f.backup.on_output({f.seq}, output(f.tick), f.now());
  EXPECT_EQ(f.backup.metrics().gate.held, 1u);
  f.lose_primary();
  f.drained();
  EXPECT_EQ(f.arbiter(ArbiterAnswer::kWon).released(), 1u);
}

TEST(BackupSession, AConfirmationThatCanNotBeEndsTheSession) {
  {
    BackupFixture f;
    f.protect();
    f.say(Confirmed{{f.seq + 1}});
    EXPECT_EQ(f.backup.metrics().core.gaps, 1u) << "of what was never received";
  }
  BackupFixture f;
  f.protect();
  f.say(Confirmed{{f.seq}});
  f.say(Confirmed{{f.seq}});
  EXPECT_EQ(f.backup.metrics().core.gaps, 0u);
  f.say(Confirmed{{f.seq - 1}});
  EXPECT_EQ(f.backup.metrics().core.gaps, 1u) << "taken back";
}

TEST(BackupSession, OnceLiveItPutsOutAtOnceAndEndsLikeAnyMachine) {
  BackupFixture f;
  f.protect();
  f.go_live();
  f.backup.on_output({f.seq + 2}, output(f.tick), f.now());
  EXPECT_EQ(f.poll().released(), 1u);
  f.backup.on_end(EndReason::kPowerOff, f.now());
  ASSERT_NE(f.poll().find<Finish>(), nullptr);
}

TEST(BackupSession, APlannedEndIsFollowedWithoutTheArbiter) {
  for (const EndReason reason :
       {EndReason::kPowerOff, EndReason::kDebugExit, EndReason::kStopped, EndReason::kReset}) {
    BackupFixture f;
    f.protect();
    const Actions ended = f.send(replay::End{reason, {}});
    EXPECT_EQ(ended.sent<Ack>()->accepted, JournalSeq{f.seq});
    EXPECT_NE(ended.find<Drain>(), nullptr);
    EXPECT_EQ(f.backup.role(), Role::kDraining);
    f.say(Bye{"done"});
    f.backup.on_channel_closed(f.now());
    const Actions silent = f.pass(2'000, false);
    EXPECT_EQ(silent.find<Arbitrate>(), nullptr);
    const Actions done = f.drained();
    ASSERT_NE(done.find<Finish>(), nullptr);
    EXPECT_EQ(done.find<Finish>()->reason, reason);
    EXPECT_EQ(done.released(), 0u);
  }
}

TEST(BackupSession, APlannedEndIsNotOverBeforeThePrimarysGoodbye) {
  BackupFixture f;
  f.protect();
  f.send(replay::End{EndReason::kPowerOff, {}});
  EXPECT_EQ(f.drained().find<Finish>(), nullptr) << "the primary may still hold the last outputs";
  EXPECT_EQ(f.pass(2'000).find<Arbitrate>(), nullptr) << "it stands still and is no worse for it";
  EXPECT_EQ(f.backup.role(), Role::kDraining);
  ASSERT_NE(f.say(Bye{"power_off"}).find<Finish>(), nullptr);
  EXPECT_EQ(f.backup.role(), Role::kFinished);
}

TEST(BackupSession, APrimaryLostBehindItsEndLeavesTheLastWordsToTheWinner) {
  for (const bool drained_first : {true, false}) {
    BackupFixture f;
    f.protect();
    f.tick += 50;
    f.send(output_mark());
    f.backup.on_output({f.seq}, output(f.tick), f.now());
    f.send(replay::End{EndReason::kPowerOff, {}});
    if (drained_first) f.drained();
    f.backup.on_channel_closed(f.now());
    EXPECT_NE(f.pass(300, false).find<Arbitrate>(), nullptr);
    const Actions won = f.arbiter(ArbiterAnswer::kWon);
    const Actions live = drained_first ? won : f.drained();
    ASSERT_NE(live.find<GoLive>(), nullptr);
    EXPECT_EQ(live.released(), 1u);
    EXPECT_EQ(live.find<Journal>(), nullptr) << "nothing follows an End";
    f.backup.on_end(EndReason::kPowerOff, f.now());
    const Actions done = f.poll();
    ASSERT_NE(done.find<Finish>(), nullptr);
    EXPECT_EQ(done.find<Finish>()->reason, EndReason::kPowerOff);
  }
}

TEST(BackupSession, AHandOverArbitratesAtOnce) {
  for (const EndReason reason : {EndReason::kHandOver, EndReason::kDiskFull, EndReason::kHalted}) {
    BackupFixture f;
    f.protect();
    const Actions ended = f.send(replay::End{reason, {}});
    EXPECT_EQ(ended.sent<Ack>()->accepted, JournalSeq{f.seq}) << "the primary waits for it";
    EXPECT_NE(ended.find<Arbitrate>(), nullptr);
    EXPECT_NE(ended.find<Drain>(), nullptr);
  }
}

TEST(BackupSession, AHandOverWaitsForASlowArbiterWithTheEndUndone) {
  BackupFixture f;
  f.protect();
  f.send(replay::End{EndReason::kHandOver, {}});
  f.backup.on_executed({f.tick}, {f.seq - 1}, f.now());  // The machine goes on behind the End.
  f.backup.on_drained(f.now());
  f.backup.on_executed({f.tick}, {f.seq - 1}, f.now());
  EXPECT_EQ(f.backup.role(), Role::kArbitrating);
  EXPECT_NE(f.arbiter(ArbiterAnswer::kWon).find<GoLive>(), nullptr);
}

TEST(BackupSession, AByeWithoutAnEndIsALoss) {
  BackupFixture f;
  f.protect();
  EXPECT_NE(f.say(Bye{"halted"}).find<Arbitrate>(), nullptr);
}

TEST(BackupSession, ADivergedBackupSaysSoAndNeverGoesLive) {
  for (const bool arbitrating : {false, true}) {
    BackupFixture f;
    f.protect();
    if (arbitrating) f.lose_primary();
    f.backup.on_diverged("record 7", f.now());
    const Actions diverged = f.poll();
    EXPECT_NE(diverged.halt_reason().find("record 7"), std::string::npos);
    if (!arbitrating) {
      EXPECT_NE(diverged.sent<Bye>(), nullptr);
    }
    f.drained();
    EXPECT_EQ(f.arbiter(ArbiterAnswer::kWon).find<GoLive>(), nullptr);
  }
}

TEST(BackupSession, LeavingSaysByeAndFinishes) {
  BackupFixture f;
  f.protect();
  f.backup.on_leave(f.now());
  const Actions left = f.poll();
  EXPECT_NE(left.sent<Bye>(), nullptr);
  ASSERT_NE(left.find<Finish>(), nullptr);
  EXPECT_EQ(left.find<Finish>()->reason, EndReason::kStopped);
  BackupFixture early;
  early.backup.on_leave(early.now());
  EXPECT_NE(early.poll().find<Finish>(), nullptr) << "also before the session";
}

TEST(BackupSession, AGrantThatTakesSomethingBackEndsTheSession) {
  for (const Progress& taken_back : {Progress{{999}, {}, 1'000}, Progress{{2'000}, {}, 999}}) {
    BackupFixture f;
    f.protect();
    f.say(Progress{{1'000}, {f.seq}, 1'000});
    const Actions actions = f.say(Progress{taken_back.tick, {f.seq}, taken_back.ran_us});
    EXPECT_EQ(actions.find<Grant>(), nullptr);
    EXPECT_NE(actions.find<CloseChannel>(), nullptr);
  }
}

TEST(BackupSession, AGrantBehindARecordThatDidNotArriveEndsTheSession) {
  for (const std::uint64_t missing : {1, 1000}) {
    BackupFixture f;
    f.protect();
    const Actions actions = f.say(Progress{{1'000'000}, {f.seq + missing}});
    EXPECT_EQ(actions.find<Grant>(), nullptr);
    EXPECT_NE(actions.find<CloseChannel>(), nullptr);
  }
}

TEST(BackupSession, AHigherEpochHaltsIt) {
  BackupFixture f;
  f.protect();
  f.say(HigherEpoch{{2}});
  EXPECT_EQ(f.backup.role(), Role::kHalted);
  BackupFixture g;
  g.protect();
  g.backup.on_heartbeat({g.session, {2}, 1, {}, false}, g.now());
  EXPECT_EQ(g.backup.role(), Role::kHalted);
}

TEST(BackupSession, OldHeartbeatsAreNoSignOfLife) {
  BackupFixture f;
  f.protect();
  f.pass(100);
  const std::uint64_t number = f.beats;
  for (int i = 0; i < 300; ++i) {
    ++f.ms;
    f.backup.on_heartbeat({f.session, f.epoch, number, {}, false}, f.now());
    f.backup.on_heartbeat({id_of(8), f.epoch, number + 1000, {}, false}, f.now());
    f.backup.on_tick(f.now());
  }
  EXPECT_EQ(f.backup.role(), Role::kArbitrating);
}

TEST(BackupSession, RefusesOtherBackups) {
  BackupFixture f;
  f.protect();
  Hello hello;
  hello.incarnation = id_of(9);
  f.backup.on_message({{}, {}, {}, hello}, f.now());
  EXPECT_NE(f.poll().sent<Refuse>(), nullptr);
  f.go_live();
  f.backup.on_message({{}, {}, {}, hello}, f.now());
  const Actions late = f.poll();
  ASSERT_NE(late.sent<Refuse>(), nullptr);
  EXPECT_NE(late.sent<Refuse>()->reason.find("late backup"), std::string::npos);
}

struct State {
  const char* name;
  Role role;
  void (*reach)(BackupFixture&);
};
const State kStates[] = {
    {"calling", Role::kSyncing, [](BackupFixture& f) { f.poll(); }},
    {"syncing", Role::kSyncing, [](BackupFixture& f) { f.join(); }},
    {"backup", Role::kBackup, [](BackupFixture& f) { f.protect(); }},
    {"draining", Role::kDraining,
     [](BackupFixture& f) {
       f.protect();
       f.send(replay::End{EndReason::kPowerOff, {}});
     }},
    {"arbitrating", Role::kArbitrating,
     [](BackupFixture& f) {
       f.protect();
       f.lose_primary();
     }},
    {"lone", Role::kLone,
     [](BackupFixture& f) {
       f.protect();
       f.go_live();
     }},
    {"finished", Role::kFinished,
     [](BackupFixture& f) {
       f.protect();
       f.backup.on_leave(f.now());
       f.poll();
     }},
    {"halted", Role::kHalted,
     [](BackupFixture& f) {
       f.protect();
       f.say(HigherEpoch{{9}});
     }},
};

Role expected_after(const State& state, const Body& body) {
  const bool calling = std::string_view(state.name) == "calling";
  const bool bye = std::holds_alternative<Bye>(body);
  if (calling) return std::holds_alternative<Refuse>(body) ? Role::kHalted : Role::kSyncing;
  if (bye && state.role == Role::kSyncing) return Role::kHalted;
  if (bye && state.role == Role::kBackup) return Role::kArbitrating;
  return state.role;
}

TEST(BackupSession, EveryMessageInEveryStateDoesWhatItShouldOrNothing) {
  for (const State& state : kStates) {
    for (const Body& body : every_body()) {
      BackupFixture f;
      state.reach(f);
      ASSERT_EQ(f.backup.role(), state.role) << state.name;
      const Actions actions = f.say(body);
      EXPECT_EQ(f.backup.role(), expected_after(state, body))
          << state.name << " on message " << body.index();
      EXPECT_EQ(actions.released(), 0u) << state.name;
      EXPECT_EQ(actions.find<GoLive>(), nullptr) << state.name;
      if (is_final(state.role)) {
        EXPECT_TRUE(actions.all().empty()) << state.name;
      }
    }
  }
}

TEST(BackupSession, EveryLocalEventInEveryStateDoesWhatItShouldOrNothing) {
  for (const State& state : kStates) {
    BackupFixture f;
    state.reach(f);
    const Epoch epoch = f.backup.epoch();
    f.backup.on_arbiter(epoch.next(), ArbiterAnswer::kWon, f.now());
    if (state.role != Role::kArbitrating) {
      f.backup.on_arbiter(epoch, ArbiterAnswer::kLost, f.now());
    }
    if (state.role != Role::kArbitrating && state.role != Role::kDraining) {
      f.backup.on_drained(f.now());
    }
    if (state.role != Role::kLone) f.backup.on_end(EndReason::kPowerOff, f.now());
    f.backup.on_pause(true, f.now());
    f.backup.on_pause(false, f.now());
    EXPECT_EQ(f.backup.role(), state.role) << state.name;
    f.backup.on_channel_closed(f.now());
    const bool syncing = std::string_view(state.name) == "syncing";
    EXPECT_EQ(f.backup.role(), syncing ? Role::kHalted : state.role) << state.name;
    EXPECT_EQ(f.poll().released(), 0u) << state.name;
  }
}

TEST(BackupSession, RefusesItsOwnMachinesMistakes) {
  BackupFixture f;
  f.protect();
  EXPECT_DEATH(f.backup.on_executed({f.tick + 1}, {f.seq}, f.now()), "assertion")
      << "beyond the grant";
  EXPECT_DEATH(f.backup.on_executed({f.tick}, {f.seq + 1}, f.now()), "assertion")
      << "a record it never got";
}

}  // namespace
}  // namespace ftvm::ftcore
