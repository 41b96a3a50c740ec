// The decision table over every combination of signs, and the windows that make the signs.
#include "ftcore/protocol/failure_detector.h"

#include <gtest/gtest.h>

namespace ftvm::ftcore {
namespace {

constexpr HostTime at_ms(std::int64_t ms) {
  return {ms * kNsPerMs};
}

/// A detector with T = 200 ms that ticks every 10 ms.
struct Watch {
  FailureDetector detector{{.detection_ns = 200 * kNsPerMs}};
  std::int64_t ms = 0;
  bool channel = true;
  bool heartbeats = true;
  bool moves = true;
  std::uint64_t tick = 1;

  Watch() {
    detector.start(at_ms(0));
    detector.on_paused(false, at_ms(0));
    detector.expect_progress(true, at_ms(0));
  }
  Verdict run(std::int64_t for_ms) {
    for (std::int64_t end = ms + for_ms; ms < end;) {
      ms += 10;
      if (channel) detector.on_channel(at_ms(ms));
      if (heartbeats) detector.on_heartbeat(at_ms(ms));
      if (moves && (channel || heartbeats)) detector.on_progress(Tick{tick++}, at_ms(ms));
      detector.on_tick(at_ms(ms));
    }
    return detector.verdict();
  }
};

TEST(FailureDetector, EveryCombinationOfSignsIsDecided) {
  int lost = 0, suspicious = 0, alive = 0;
  for (const auto channel : {ChannelSign::kHeard, ChannelSign::kSilent, ChannelSign::kClosed}) {
    for (const auto heartbeats : {HeartbeatSign::kHeard, HeartbeatSign::kSilent}) {
      for (const auto progress :
           {ProgressSign::kMoving, ProgressSign::kExcused, ProgressSign::kStalled}) {
        // The sentence of docs/runbook.md, "Detection, load and lag".
        const bool channel_gone = channel != ChannelSign::kHeard;
        const bool beats = heartbeats == HeartbeatSign::kHeard;
        PeerState expected = PeerState::kSuspicious;
        if (channel_gone && !beats) expected = PeerState::kLost;
        if (beats && progress == ProgressSign::kStalled) expected = PeerState::kLost;
        if (!channel_gone && beats && progress != ProgressSign::kStalled) {
          expected = PeerState::kAlive;
        }
        const Verdict verdict = decide(channel, heartbeats, progress);
        EXPECT_EQ(verdict.state, expected) << verdict.why;
        EXPECT_NE(verdict.why, "not in the table");
        lost += verdict.state == PeerState::kLost;
        suspicious += verdict.state == PeerState::kSuspicious;
        alive += verdict.state == PeerState::kAlive;
      }
    }
  }
  EXPECT_EQ(lost, 6 + 3);
  EXPECT_EQ(suspicious, 3 + 2 + 2);
  EXPECT_EQ(alive, 2);
}

TEST(FailureDetector, BothSilentForTheDetectionTimeIsLostAndNotBefore) {
  Watch watch;
  watch.run(1000);
  watch.channel = watch.heartbeats = false;
  EXPECT_EQ(watch.run(190).state, PeerState::kAlive);
  EXPECT_EQ(watch.run(10).state, PeerState::kLost);
  EXPECT_EQ(watch.detector.verdict().why, "channel and heartbeats silent");
}

TEST(FailureDetector, AClosedChannelNeedsSilentHeartbeatsToo) {
  Watch watch;
  watch.run(1000);
  watch.channel = false;
  watch.detector.on_channel_closed();
  EXPECT_EQ(watch.run(700).state, PeerState::kSuspicious);
  watch.heartbeats = false;
  EXPECT_EQ(watch.run(190).state, PeerState::kSuspicious);
  EXPECT_EQ(watch.run(10), (Verdict{PeerState::kLost, "channel closed and heartbeats silent"}));
}

TEST(FailureDetector, OneSilentWitnessIsReportedApart) {
  Watch watch;
  watch.heartbeats = false;
  EXPECT_EQ(watch.run(5000), (Verdict{PeerState::kSuspicious, "heartbeats silent, channel heard"}));
  watch.heartbeats = true;
  EXPECT_EQ(watch.run(10).state, PeerState::kAlive);
  watch.channel = false;
  EXPECT_EQ(watch.run(900), (Verdict{PeerState::kSuspicious, "channel silent, heartbeats heard"}));
}

TEST(FailureDetector, AChannelThatStaysDeadIsALossWhateverTheExcuse) {
  Watch watch;
  watch.run(1000);
  watch.channel = false;
  watch.detector.expect_progress(false, at_ms(watch.ms));
  EXPECT_EQ(watch.run(980).state, PeerState::kSuspicious);
  EXPECT_EQ(watch.run(20), (Verdict{PeerState::kLost, "wedged: heartbeats without progress"}));
}

TEST(FailureDetector, NoProgressForFiveDetectionTimesIsWedged) {
  Watch watch;
  watch.run(1000);
  watch.moves = false;
  EXPECT_EQ(watch.run(990).state, PeerState::kAlive);
  EXPECT_EQ(watch.run(10), (Verdict{PeerState::kLost, "wedged: heartbeats without progress"}));
}

TEST(FailureDetector, APauseOrNothingToDoIsNoWedge) {
  Watch watch;
  watch.moves = false;
  watch.detector.on_paused(true, at_ms(0));
  EXPECT_EQ(watch.run(60'000).state, PeerState::kAlive);
  watch.detector.on_paused(false, at_ms(watch.ms));
  EXPECT_EQ(watch.run(990).state, PeerState::kAlive) << "the time of the pause does not count";
  watch.detector.expect_progress(false, at_ms(watch.ms));
  EXPECT_EQ(watch.run(60'000).state, PeerState::kAlive);
  watch.detector.expect_progress(true, at_ms(watch.ms));
  EXPECT_EQ(watch.run(1000).state, PeerState::kLost);
}

TEST(FailureDetector, OldProgressIsNoProgress) {
  Watch watch;
  watch.detector.on_progress(Tick{500}, at_ms(0));
  watch.moves = false;
  for (int i = 0; i < 100; ++i) {
    watch.detector.on_progress(Tick{static_cast<std::uint64_t>(400 + i)}, at_ms(watch.ms));
    watch.run(10);
  }
  EXPECT_EQ(watch.detector.verdict().state, PeerState::kLost);
}

TEST(FailureDetector, TimeInWhichThisProcessWasStoppedIsNoEvidence) {
  Watch watch;
  watch.run(1000);
  watch.ms += 60'000;  // SIGSTOP, then SIGCONT.
  watch.detector.on_tick(at_ms(watch.ms));
  EXPECT_EQ(watch.detector.verdict().state, PeerState::kAlive);
  EXPECT_EQ(watch.detector.own_stops(), 1u);
  watch.channel = watch.heartbeats = false;
  EXPECT_EQ(watch.run(190).state, PeerState::kAlive);
  EXPECT_EQ(watch.run(10).state, PeerState::kLost) << "silence after it counts in full";
}

TEST(FailureDetector, AGapOfHalfTheDetectionTimeIsStillOrdinary) {
  Watch watch;
  watch.run(1000);
  watch.detector.on_tick(at_ms(watch.ms + 100));
  EXPECT_EQ(watch.detector.own_stops(), 0u);
  watch.detector.on_tick(at_ms(watch.ms + 201));
  EXPECT_EQ(watch.detector.own_stops(), 1u);
}

TEST(FailureDetector, AStoppedDetectorJudgesNothing) {
  Watch watch;
  watch.detector.stop();
  EXPECT_EQ(watch.detector.on_tick(at_ms(100'000)).state, PeerState::kAlive);
}

TEST(FailureDetector, ANewSessionForgetsTheOldOne) {
  Watch watch;
  watch.detector.on_channel_closed();
  watch.channel = watch.heartbeats = false;
  EXPECT_EQ(watch.run(500).state, PeerState::kLost);
  watch.detector.start(at_ms(watch.ms));
  EXPECT_EQ(watch.run(10).state, PeerState::kAlive);
}

}  // namespace
}  // namespace ftvm::ftcore
