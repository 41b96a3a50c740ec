// The primary's session with the test as its backup: every message in every state, every way an
// output can be released. Both sessions together are pair_test.cc.
#include "ftcore/protocol/primary_session.h"

#include <gtest/gtest.h>

#include "ftcore/protocol/hello_check.h"
#include "tests/unit/ftcore/session_fixture.h"

namespace ftvm::ftcore {
namespace {

using namespace test;

TEST(PrimarySession, StandsStillUntilItIsProtected) {
  PrimaryFixture f;
  EXPECT_TRUE(f.primary.paused());
  EXPECT_EQ(f.pass(1000, false).find<SetPaused>(), nullptr);
  f.join();
  EXPECT_TRUE(f.primary.paused());
  f.primary.on_slot({1}, SlotAnswer::kOpened, f.now());
  const Actions opened = f.poll();
  ASSERT_NE(opened.find<Journal>(), nullptr);
  EXPECT_EQ(std::get<replay::Protected>(opened.find<Journal>()->body).epoch, Epoch{1});
  EXPECT_EQ(opened.find<SetPaused>(), nullptr) << "the record is not appended yet";
  EXPECT_EQ(f.primary.role(), Role::kPrimary);
  const Actions appended = f.append(replay::Protected{{1}});
  ASSERT_NE(appended.find<SetPaused>(), nullptr);
  EXPECT_FALSE(appended.find<SetPaused>()->paused);
  EXPECT_NE(appended.sent<Records>(), nullptr) << "Protected goes out at once";
}

TEST(PrimarySession, AloneRunsAndPutsOutAtOnce) {
  PrimaryFixture f(PrimaryFixture::alone());
  const Actions first = f.poll();
  ASSERT_NE(first.find<SetPaused>(), nullptr);
  EXPECT_FALSE(first.find<SetPaused>()->paused);
  EXPECT_EQ(f.primary.epoch(), Epoch{0});
  EXPECT_EQ(f.emit().released(), 1u);
  EXPECT_EQ(f.primary.kept(), JournalSeq{f.seq}) << "there is nobody whose word would be needed";
  f.primary.on_message(PrimaryFixture::hello(), f.now());
  const Actions late = f.poll();
  ASSERT_NE(late.sent<Refuse>(), nullptr);
  EXPECT_NE(late.sent<Refuse>()->reason.find("late backup"), std::string::npos);
  const Actions end = f.end(EndReason::kPowerOff);
  ASSERT_NE(end.find<Finish>(), nullptr);
  EXPECT_EQ(end.find<Finish>()->reason, EndReason::kPowerOff);
}

TEST(PrimarySession, TellsNowAndThenWhatIsConfirmedAndNeverWhatIsNotAcknowledged) {
  PrimaryFixture f;
  f.protect();
  EXPECT_EQ(f.pass(200).sent<Confirmed>(), nullptr) << "nothing is";
  f.emit();
  f.ack(f.seq);
  f.emit();
  f.primary.on_confirmed({f.seq - 1}, f.now());
  Actions actions = f.pass(1);
  ASSERT_NE(actions.sent<Confirmed>(), nullptr);
  EXPECT_EQ(actions.sent<Confirmed>()->mark, JournalSeq{f.seq - 1});
  f.primary.on_confirmed({f.seq}, f.now());
  EXPECT_EQ(f.pass(200).sent<Confirmed>(), nullptr) << "not acknowledged yet";
  f.ack(f.seq);
  actions = f.pass(1);
  ASSERT_NE(actions.sent<Confirmed>(), nullptr);
  EXPECT_EQ(f.primary.metrics().confirmed, JournalSeq{f.seq});
  EXPECT_EQ(f.pass(200).sent<Confirmed>(), nullptr) << "said already";
  f.emit();
  f.ack(f.seq);
  f.primary.on_confirmed({f.seq}, f.now());
  f.pass(1);
  f.emit();
  f.ack(f.seq);
  f.primary.on_confirmed({f.seq}, f.now());
  EXPECT_EQ(f.pass(48).sent<Confirmed>(), nullptr) << "a burst is one message each 50 ms";
  EXPECT_NE(f.pass(3).sent<Confirmed>(), nullptr);
}

TEST(PrimarySession, WelcomesWithASessionOfItsOwn) {
  PrimaryFixture f;
  f.welcome_backup();
  const Uuid first = f.session;
  EXPECT_EQ(f.primary.role(), Role::kJoining);
  f.say(Bye{"changed my mind"});
  EXPECT_EQ(f.primary.role(), Role::kWaiting);
  f.welcome_backup();
  EXPECT_NE(f.session, first);
  EXPECT_FALSE(f.session.is_zero());
}

TEST(PrimarySession, ItsTimeOfDayIsThePairs) {
  PrimarySession::Options options = PrimaryFixture::defaults();
  options.identity.boot_unix_s = 1'700'000'000;
  PrimaryFixture f(std::move(options));
  Message hello = PrimaryFixture::hello();
  f.primary.on_message(hello, f.now());
  EXPECT_NE(f.poll().sent<Refuse>(), nullptr) << "it has another one";
  std::get<Hello>(hello.body).takes_time = true;
  f.primary.on_message(hello, f.now());
  const Actions actions = f.poll();
  ASSERT_NE(actions.sent<Welcome>(), nullptr);
  EXPECT_EQ(actions.sent<Welcome>()->boot_unix_s, 1'700'000'000);
}

TEST(PrimarySession, AnswersTheSenderNotThePeer) {
  PrimaryFixture f;
  f.protect();
  f.primary.on_message(PrimaryFixture::hello(id_of(9)), f.now());
  const Actions actions = f.poll();
  ASSERT_NE(actions.find<Send>(), nullptr);
  EXPECT_EQ(actions.find<Send>()->to, Send::To::kSender);
  EXPECT_TRUE(actions.find<Send>()->message.session.is_zero());
  ASSERT_NE(actions.sent<Refuse>(), nullptr);
  EXPECT_NE(actions.sent<Refuse>()->reason.find("already has a backup"), std::string::npos);
  EXPECT_EQ(f.primary.role(), Role::kPrimary);
}

TEST(PrimarySession, RefusesAnotherMachineByName) {
  PrimaryFixture f;
  Message hello = PrimaryFixture::hello();
  std::get<Hello>(hello.body).identity.board = "toaster";
  f.primary.on_message(hello, f.now());
  const Actions actions = f.poll();
  ASSERT_NE(actions.sent<Refuse>(), nullptr);
  EXPECT_NE(actions.sent<Refuse>()->reason.find("board"), std::string::npos);
  EXPECT_EQ(f.primary.role(), Role::kWaiting);
}

TEST(PrimarySession, ARepeatedHelloDisturbsNothing) {
  PrimaryFixture f;
  f.welcome_backup();
  f.primary.on_message(PrimaryFixture::hello(), f.now());
  EXPECT_TRUE(f.poll().all().empty());
  f.say(Joined{1});
  EXPECT_EQ(f.say(Joined{2}).find<OpenSlot>(), nullptr);
}

TEST(PrimarySession, AsksForTheSlotAgainWithBackoffAndNeverGuesses) {
  PrimaryFixture f;
  f.welcome_backup();
  EXPECT_NE(f.say(Joined{1}).find<OpenSlot>(), nullptr);
  EXPECT_EQ(f.pass(1000).find<OpenSlot>(), nullptr) << "one question at a time";
  f.primary.on_slot({1}, SlotAnswer::kUnreachable, f.now());
  EXPECT_EQ(f.pass(90).find<OpenSlot>(), nullptr);
  EXPECT_NE(f.pass(20).find<OpenSlot>(), nullptr);
  f.primary.on_slot({1}, SlotAnswer::kUnreachable, f.now());
  EXPECT_EQ(f.pass(190).find<OpenSlot>(), nullptr) << "twice as long";
  EXPECT_NE(f.pass(20).find<OpenSlot>(), nullptr);
  EXPECT_EQ(f.primary.role(), Role::kJoining);
}

TEST(PrimarySession, ATakenSlotMeansThatItIsOld) {
  PrimaryFixture f;
  f.join();
  f.primary.on_slot({1}, SlotAnswer::kTaken, f.now());
  EXPECT_NE(f.poll().halt_reason().find("won by another node"), std::string::npos);
  EXPECT_EQ(f.primary.role(), Role::kHalted);
}

TEST(PrimarySession, ASlotsAnswerForABackupThatLeftProtectsNobody) {
  PrimaryFixture f;
  f.join();
  f.say(Bye{"gone"});
  f.primary.on_slot({1}, SlotAnswer::kOpened, f.now());
  EXPECT_EQ(f.primary.role(), Role::kWaiting);
  EXPECT_EQ(f.poll().find<Journal>(), nullptr);
  f.primary.on_slot({1}, SlotAnswer::kTaken, f.now());
  EXPECT_EQ(f.primary.role(), Role::kWaiting) << "nobody asked";
}

TEST(PrimarySession, ReleasesExactlyWhatIsAcknowledged) {
  PrimaryFixture f;
  f.protect();
  const Actions emitted = f.emit();
  EXPECT_EQ(emitted.released(), 0u);
  EXPECT_LT(f.primary.kept(), JournalSeq{f.seq});
  ASSERT_NE(emitted.sent<Records>(), nullptr) << "an output waits: flushed at once";
  EXPECT_EQ(emitted.sent<Records>()->records.back().seq, JournalSeq{f.seq});
  f.emit();
  EXPECT_EQ(f.ack(f.seq - 1).released(), 1u);
  EXPECT_EQ(f.primary.kept(), JournalSeq{f.seq - 1});
  EXPECT_EQ(f.ack(f.seq - 1).released(), 0u);
  EXPECT_EQ(f.ack(f.seq).released(), 1u);
  EXPECT_EQ(f.primary.kept(), JournalSeq{f.seq});
}

TEST(PrimarySession, AcksOfAnotherPairSessionOrEpochNeverCount) {
  PrimaryFixture f;
  f.protect();
  f.emit();
  const Ack ack{{f.seq}, {}, kRoom};
  for (const Message& message :
       {Message{id_of(8), f.session, {1}, ack}, Message{kPair, id_of(8), {1}, ack},
        Message{kPair, {}, {1}, ack}, Message{kPair, f.session, {0}, ack}}) {
    f.primary.on_message(message, f.now());
    EXPECT_EQ(f.poll().released(), 0u);
  }
  EXPECT_EQ(f.primary.metrics().core.ignored, 4u);
  EXPECT_EQ(f.ack(f.seq).released(), 1u);
}

TEST(PrimarySession, AnAckThatCanNotBeEndsTheSessionAndReleasesNothing) {
  PrimaryFixture f;
  f.protect();
  f.emit();
  const Actions actions = f.ack(f.seq + 1);
  EXPECT_EQ(actions.released(), 0u);
  EXPECT_NE(actions.find<CloseChannel>(), nullptr);
  EXPECT_EQ(f.primary.metrics().core.gaps, 1u);
  EXPECT_EQ(f.ack(f.seq).released(), 0u) << "closed is for good";
}

TEST(PrimarySession, ExecutingBeyondTheGrantEndsTheSession) {
  PrimaryFixture f;
  f.protect();
  EXPECT_NE(f.ack(f.seq, 1).find<CloseChannel>(), nullptr);
}

TEST(PrimarySession, LateAcksOfALostBackupReleaseNothing) {
  PrimaryFixture f;
  f.protect();
  f.emit();
  f.lose_backup();
  EXPECT_EQ(f.ack(f.seq).released(), 0u);
  EXPECT_EQ(f.primary.metrics().gate.held, 1u);
  const Actions won = f.arbiter(ArbiterAnswer::kWon);
  EXPECT_EQ(won.released(), 1u);
  EXPECT_EQ(f.primary.epoch(), Epoch{2});
  ASSERT_NE(won.find<Journal>(), nullptr);
  EXPECT_EQ(std::get<replay::Alone>(won.find<Journal>()->body).epoch, Epoch{2});
  EXPECT_LT(won.index_of<GoLive>(), won.index_of<Release>());
}

TEST(PrimarySession, ALostArbitrationHaltsItForGood) {
  PrimaryFixture f;
  f.protect();
  f.emit();
  f.lose_backup();
  const Actions lost = f.arbiter(ArbiterAnswer::kLost);
  EXPECT_EQ(lost.released(), 0u);
  EXPECT_NE(lost.halt_reason(), "");
  EXPECT_EQ(f.primary.metrics().gate.dropped, 1u);
  EXPECT_EQ(f.arbiter(ArbiterAnswer::kWon).released(), 0u);
  EXPECT_EQ(f.primary.role(), Role::kHalted);
}

TEST(PrimarySession, AnUnknownAnswerIsAskedAgainLater) {
  PrimaryFixture f;
  f.protect();
  f.lose_backup();
  EXPECT_EQ(f.arbiter(ArbiterAnswer::kUnknown).find<Arbitrate>(), nullptr);
  EXPECT_EQ(f.pass(90, false).find<Arbitrate>(), nullptr);
  EXPECT_NE(f.pass(20, false).find<Arbitrate>(), nullptr);
  EXPECT_EQ(f.arbiter(ArbiterAnswer::kWon).find<GoLive>()->epoch, Epoch{2});
}

TEST(PrimarySession, GrantsProgressNowAndThen) {
  PrimaryFixture f;
  f.protect();
  f.pass(20);
  f.primary.on_progress({1000}, f.now());
  const Actions first = f.poll();
  ASSERT_NE(first.sent<Progress>(), nullptr);
  EXPECT_EQ(first.sent<Progress>()->tick, Tick{1000});
  f.primary.on_progress({2000}, f.now());
  EXPECT_EQ(f.poll().sent<Progress>(), nullptr);
  EXPECT_EQ(f.primary.next_due().ns, f.now().ns + PrimarySession::kGrantNs);
  EXPECT_EQ(f.pass(PrimarySession::kGrantNs / kNsPerMs - 1).sent<Progress>(), nullptr);
  EXPECT_EQ(f.pass(1).sent<Progress>()->tick, Tick{2000});
}

TEST(PrimarySession, LooksFourTimesInTheShortestDetectionTime) {
  PrimarySession::Options options = PrimaryFixture::defaults();
  options.detection_ms = kDetectionMsMin;
  options.heartbeat_ms = 5;
  PrimaryFixture f(std::move(options));
  f.protect();
  f.pass(10);
  EXPECT_LE(f.primary.next_due().ns, f.now().ns + kDetectionMsMin * kNsPerMs / 4);
}

TEST(PrimarySession, SaysWhenItHasSomethingToDo) {
  PrimaryFixture f;
  f.protect();
  f.pass(30);
  EXPECT_EQ(f.primary.next_due().ns, f.now().ns + SessionCore::kTickNsMax) << "nothing waits";
  f.tick = 500;
  EXPECT_NE(f.append(ConsoleBytes{0, {1}}).sent<Records>(), nullptr) << "the first after a while";
  EXPECT_EQ(f.append(ConsoleBytes{1, {1}}).sent<Records>(), nullptr);
  EXPECT_EQ(f.primary.next_due().ns, f.now().ns + PrimarySession::kGrantNs);
  EXPECT_EQ(f.pass(PrimarySession::kGrantNs / kNsPerMs - 1).sent<Records>(), nullptr);
  EXPECT_NE(f.pass(1).sent<Records>(), nullptr);
  EXPECT_GT(f.primary.next_due(), f.now());
}

TEST(PrimarySession, AGrantTakesTheRecordsAlongThatItStandsBehind) {
  PrimaryFixture f;
  f.protect();
  f.pass(20);
  f.primary.on_progress({400}, f.now());
  ASSERT_NE(f.poll().sent<Progress>(), nullptr);
  f.tick = 500;
  f.append(ConsoleBytes{0, {1}});
  f.primary.on_progress({1000}, f.now());
  EXPECT_EQ(f.poll().sent<Records>(), nullptr);
  const Actions due = f.pass(PrimarySession::kGrantNs / kNsPerMs);
  ASSERT_NE(due.sent<Records>(), nullptr);
  ASSERT_NE(due.sent<Progress>(), nullptr) << "it need not wait for the acknowledgement,";
  EXPECT_EQ(due.sent<Progress>()->recorded, JournalSeq{f.seq}) << "because it names the record";
  EXPECT_EQ(due.sent<Progress>()->tick, Tick{1000});
}

TEST(PrimarySession, SaysHowLongItsMachineRan) {
  PrimaryFixture f;
  f.protect();
  const auto ran_us = [&f](Tick tick) {
    f.ms += 30;
    f.primary.on_progress(tick, f.now());
    const Actions actions = f.poll();
    return actions.sent<Progress>() != nullptr ? actions.sent<Progress>()->ran_us : 0;
  };
  const std::uint64_t first = ran_us({1000});
  EXPECT_EQ(ran_us({2000}), first + 30'000);
  EXPECT_EQ(ran_us({2000}), 0u) << "nothing to grant: it stood still,";
  EXPECT_EQ(ran_us({3000}), first + 60'000) << "and that is not counted";
  Ack slow{{f.seq}, {}, 1u << 20, 400'000, 400'000};
  for (int i = 0; i < 50; ++i) {
    f.ms += 10;
    f.say(slow);
  }
  const double duty = f.primary.metrics().duty;
  ASSERT_LT(duty, 0.5);
  const std::uint64_t before = ran_us({4000});
  EXPECT_NEAR(static_cast<double>(ran_us({5000}) - before), 30'000 * duty, 100)
      << "what lag control makes it sleep does not count either";
  f.primary.on_progress({5001}, f.now());
  EXPECT_EQ(f.primary.next_due().ns, f.now().ns + PrimarySession::kGrantSlowedNs)
      << "and a backup that slow hears more often";
}

TEST(PrimarySession, PausesWhenTheBackupHasNoRoomAndGoesOnWhenItHas) {
  PrimaryFixture f;
  f.protect();
  f.say(Ack{{f.seq}, {}, 0});
  const Actions stopped = f.append(ConsoleBytes{0, {1}});
  ASSERT_NE(stopped.find<SetPaused>(), nullptr);
  EXPECT_TRUE(stopped.find<SetPaused>()->paused);
  EXPECT_TRUE(stopped.sent<Keepalive>()->paused) << "no progress is no failure";
  const Actions going = f.ack(f.seq - 1);
  ASSERT_NE(going.find<SetPaused>(), nullptr) << "the record can now be sent";
  EXPECT_FALSE(going.find<SetPaused>()->paused);
}

TEST(PrimarySession, PausesWhenItHoldsTooMuchOutput) {
  PrimarySession::Options options = PrimaryFixture::defaults();
  options.held_bytes_max = 1000;
  PrimaryFixture f(std::move(options));
  f.protect();
  while (!f.primary.paused()) f.emit();
  EXPECT_GE(f.primary.metrics().gate.held_bytes, 1000u);
  const Actions acked = f.ack(f.seq);
  ASSERT_NE(acked.find<SetPaused>(), nullptr);
  EXPECT_FALSE(acked.find<SetPaused>()->paused);
}

TEST(PrimarySession, SaysSomethingAtLeastEveryQuarterOfTheDetectionTime) {
  PrimaryFixture f;
  f.protect();
  EXPECT_EQ(f.pass(45).sent<Keepalive>(), nullptr);
  EXPECT_NE(f.pass(10).sent<Keepalive>(), nullptr);
}

TEST(PrimarySession, OperatorPauseAndFlowPauseAreOneForTheMachine) {
  PrimaryFixture f;
  f.protect();
  f.primary.on_pause(true, f.now());
  EXPECT_TRUE(f.poll().find<SetPaused>()->paused);
  f.say(Ack{{f.seq}, {}, 0});
  f.append(ConsoleBytes{0, {1}});
  f.primary.on_pause(false, f.now());
  EXPECT_EQ(f.poll().find<SetPaused>(), nullptr) << "still out of credit";
  EXPECT_FALSE(f.ack(f.seq - 1).find<SetPaused>()->paused);
}

TEST(PrimarySession, WaitsForTheLastAcknowledgementBeforeItFinishes) {
  PrimaryFixture f;
  f.protect();
  f.emit();
  EXPECT_EQ(f.end(EndReason::kPowerOff).find<Finish>(), nullptr);
  EXPECT_EQ(f.primary.role(), Role::kEnding);
  const Actions acked = f.ack(f.seq);
  EXPECT_EQ(acked.released(), 1u);
  ASSERT_NE(acked.find<Finish>(), nullptr);
  EXPECT_NE(acked.sent<Bye>(), nullptr);
  EXPECT_LT(acked.index_of<Release>(), acked.index_of<Finish>());
}

TEST(PrimarySession, AnEndWhileArbitratingFinishesOnceItHasWon) {
  PrimaryFixture f;
  f.protect();
  f.emit();
  f.lose_backup();
  EXPECT_EQ(f.end(EndReason::kPowerOff).find<Finish>(), nullptr);
  const Actions won = f.arbiter(ArbiterAnswer::kWon);
  EXPECT_EQ(won.released(), 1u);
  EXPECT_EQ(won.find<Journal>(), nullptr) << "nothing follows an End";
  ASSERT_NE(won.find<Finish>(), nullptr);
}

TEST(PrimarySession, CanBeTakenAwayWhileTheArbiterIsSilent) {
  PrimaryFixture f;
  f.protect();
  f.emit();
  f.primary.on_leave(f.now());
  EXPECT_EQ(f.primary.role(), Role::kPrimary) << "a running machine is ended, not left";
  f.lose_backup();
  f.primary.on_leave(f.now());
  const Actions left = f.poll();
  EXPECT_EQ(left.released(), 0u);
  ASSERT_NE(left.find<Finish>(), nullptr);
}

TEST(PrimarySession, AHigherEpochHaltsItByMessageAndByHeartbeat) {
  PrimaryFixture by_envelope;
  by_envelope.protect();
  by_envelope.primary.on_message({kPair, id_of(8), {2}, Keepalive{}}, by_envelope.now());
  EXPECT_EQ(by_envelope.primary.role(), Role::kHalted);
  PrimaryFixture by_body;
  by_body.protect();
  by_body.say(HigherEpoch{{2}});
  EXPECT_EQ(by_body.primary.role(), Role::kHalted);
  PrimaryFixture by_heartbeat;
  by_heartbeat.protect();
  by_heartbeat.primary.on_heartbeat({by_heartbeat.session, {2}, 1, {}, false}, by_heartbeat.now());
  EXPECT_EQ(by_heartbeat.primary.role(), Role::kHalted);
  PrimaryFixture stranger;
  stranger.protect();
  stranger.primary.on_message({id_of(8), stranger.session, {9}, Keepalive{}}, stranger.now());
  stranger.primary.on_heartbeat({id_of(8), {9}, 1, {}, false}, stranger.now());
  EXPECT_EQ(stranger.primary.role(), Role::kPrimary) << "another pair's epoch is not ours";
}

TEST(PrimarySession, TellsAFormerPeerOnceADetectionTime) {
  PrimaryFixture f;
  f.protect();
  f.lose_backup();
  f.arbiter(ArbiterAnswer::kWon);
  const Message former{kPair, f.session, {1}, Keepalive{}};
  f.primary.on_message(former, f.now());
  const Actions first = f.poll();
  ASSERT_NE(first.sent<HigherEpoch>(), nullptr);
  EXPECT_EQ(first.sent<HigherEpoch>()->epoch, Epoch{2});
  f.primary.on_message(former, f.now());
  EXPECT_TRUE(f.poll().all().empty());
  f.pass(200, false);
  f.primary.on_message(former, f.now());
  EXPECT_NE(f.poll().sent<HigherEpoch>(), nullptr);
}

TEST(PrimarySession, ItsOwnStopReleasesNothingAndLosesNobody) {
  PrimaryFixture f;
  f.protect();
  f.emit();
  f.ms += 60'000;
  f.primary.on_tick(f.now());
  EXPECT_EQ(f.poll().released(), 0u);
  EXPECT_EQ(f.primary.role(), Role::kPrimary);
  EXPECT_EQ(f.pass(150, false).released(), 0u);
  EXPECT_EQ(f.primary.role(), Role::kPrimary);
  f.pass(100, false);
  EXPECT_EQ(f.primary.role(), Role::kArbitrating);
}

// Every message in every state: what the peer says at a moment when it should not is ignored and
// counted, but for what always has a meaning.
struct State {
  const char* name;
  Role role;
  void (*reach)(PrimaryFixture&);
};
const State kStates[] = {
    {"waiting", Role::kWaiting, [](PrimaryFixture&) {}},
    {"welcomed", Role::kJoining, [](PrimaryFixture& f) { f.welcome_backup(); }},
    {"joined", Role::kJoining, [](PrimaryFixture& f) { f.join(); }},
    {"primary", Role::kPrimary, [](PrimaryFixture& f) { f.protect(); }},
    {"ending", Role::kEnding,
     [](PrimaryFixture& f) {
       f.protect();
       f.end(EndReason::kPowerOff);
     }},
    {"arbitrating", Role::kArbitrating,
     [](PrimaryFixture& f) {
       f.protect();
       f.lose_backup();
     }},
    {"lone", Role::kLone,
     [](PrimaryFixture& f) {
       f.protect();
       f.lose_backup();
       f.arbiter(ArbiterAnswer::kWon);
     }},
    {"finished", Role::kFinished,
     [](PrimaryFixture& f) {
       f.protect();
       f.end(EndReason::kPowerOff);
       f.ack(f.seq);
     }},
    {"halted", Role::kHalted,
     [](PrimaryFixture& f) {
       f.protect();
       f.say(HigherEpoch{{9}});
     }},
};

Role expected_after(Role role, const Body& body) {
  const bool leaves = std::holds_alternative<Bye>(body) || std::holds_alternative<Refuse>(body);
  if (leaves && role == Role::kJoining) return Role::kWaiting;
  if (leaves && (role == Role::kPrimary || role == Role::kEnding)) return Role::kArbitrating;
  return role;
}

TEST(PrimarySession, EveryMessageInEveryStateDoesWhatItShouldOrNothing) {
  for (const State& state : kStates) {
    for (const Body& body : every_body()) {
      PrimaryFixture f;
      state.reach(f);
      ASSERT_EQ(f.primary.role(), state.role) << state.name;
      const Actions actions = f.say(body);
      EXPECT_EQ(f.primary.role(), expected_after(state.role, body))
          << state.name << " on message " << body.index();
      if (state.role != Role::kLone) {
        EXPECT_EQ(actions.released(), 0u) << state.name;
      }
      EXPECT_EQ(actions.find<GoLive>(), nullptr) << state.name;
      if (is_final(state.role)) {
        EXPECT_TRUE(actions.all().empty()) << state.name;
      }
    }
  }
}

TEST(PrimarySession, EveryLocalEventInEveryStateDoesWhatItShouldOrNothing) {
  for (const State& state : kStates) {
    PrimaryFixture f;
    state.reach(f);
    const Epoch epoch = f.primary.epoch();
    if (state.role != Role::kArbitrating) {
      f.primary.on_arbiter(epoch, ArbiterAnswer::kWon, f.now());
      EXPECT_EQ(f.primary.role(), state.role) << state.name << ": nobody asked";
    }
    f.primary.on_arbiter(epoch.next(), ArbiterAnswer::kLost, f.now());
    f.primary.on_slot(epoch.next(), SlotAnswer::kTaken, f.now());
    EXPECT_EQ(f.primary.role(), state.role) << state.name << ": another epoch's answer";
    f.primary.on_pause(true, f.now());
    f.primary.on_pause(false, f.now());
    f.primary.on_progress({1'000'000}, f.now());
    EXPECT_EQ(f.primary.role(), state.role) << state.name;
    f.primary.on_channel_closed(f.now());
    EXPECT_EQ(f.primary.role(), state.role == Role::kJoining ? Role::kWaiting : state.role);
    EXPECT_EQ(f.poll().released(), 0u);
    EXPECT_EQ(f.primary.epoch(), epoch) << state.name;
  }
}

TEST(PrimarySession, RefusesItsOwnMachinesMistakes) {
  PrimaryFixture f;
  EXPECT_DEATH(f.append(ConsoleBytes{}), "assertion") << "a record before the first tick";
  f.protect();
  EXPECT_DEATH(f.primary.on_record(record(9, 1, ConsoleBytes{}), f.now()), "assertion") << "a gap";
  EXPECT_DEATH(f.primary.on_output({f.seq + 1}, output(1), f.now()), "assertion") << "no such mark";
  f.primary.on_progress({10}, f.now());
  EXPECT_DEATH(f.primary.on_progress({9}, f.now()), "assertion");
  f.end(EndReason::kStopped);
  EXPECT_DEATH(f.append(ConsoleBytes{}), "assertion") << "nothing follows an End";
}

}  // namespace
}  // namespace ftvm::ftcore
