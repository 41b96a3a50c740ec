// What is around the nodes: clocks, the arbiter's storage, the client.
#include <gtest/gtest.h>

#include <vector>

#include "ftcore/sim/sim_arbiter.h"
#include "ftcore/sim/sim_clock.h"
#include "ftcore/sim/sim_receiver.h"

namespace ftvm::ftcore::sim {
namespace {

constexpr std::int64_t ms(std::int64_t value) {
  return value * kNsPerMs;
}
Uuid who(int fill) {
  Uuid id;
  id.bytes.fill(static_cast<std::uint8_t>(fill));
  return id;
}

TEST(SimClock, ComesBackALittleLateAndNeverEarly) {
  for (const std::int64_t rate_ppm : {-200, 0, 200}) {
    const SimClock clock{.offset_ns = 123'456'789, .rate_ppm = rate_ppm};
    for (std::int64_t ns = 1; ns < ms(3'600'000); ns = ns * 3 + 7) {
      const HostTime local = clock.local({ns});
      const HostTime world = clock.world(local);
      EXPECT_GE(clock.local(world), local) << ns;
      EXPECT_LE(world.ns, ns + 10'000) << ns;
    }
  }
  EXPECT_EQ(SimClock{}.world(HostTime::never()), HostTime::never());
}

class Arbiter : public ::testing::Test {
 protected:
  void ask(int id) {
    arbiter_.test_and_set({1}, who(id), [this](ArbiterAnswer a) { answers_.push_back(a); });
    events_.run(events_.in(ms(1'000)));
  }
  EventQueue events_;
  SimArbiter arbiter_{events_, Prng(1), {}};
  std::vector<ArbiterAnswer> answers_;
};

TEST_F(Arbiter, HasOneWinnerHoweverOftenItIsAsked) {
  for (const int id : {7, 8, 7}) ask(id);
  using enum ArbiterAnswer;
  EXPECT_EQ(answers_, (std::vector{kWon, kLost, kWon}));
  EXPECT_TRUE(arbiter_.has_won(who(7)));
  EXPECT_FALSE(arbiter_.has_won(who(8)));
}

TEST_F(Arbiter, HasNoWinnerWhenTheWriteWasTorn) {
  arbiter_.tear_next_write();
  for (const int id : {7, 8, 7}) ask(id);
  EXPECT_EQ(answers_, (std::vector(3, ArbiterAnswer::kUnknown)));
  EXPECT_TRUE(arbiter_.torn());
  EXPECT_FALSE(arbiter_.has_won(who(7)));
}

TEST_F(Arbiter, KeepsWhatWasWrittenBeforeATear) {
  ask(7);
  arbiter_.tear_next_write();
  ask(7);
  ask(8);
  using enum ArbiterAnswer;
  EXPECT_EQ(answers_, (std::vector{kWon, kWon, kLost}));
  EXPECT_FALSE(arbiter_.torn());
}

TEST_F(Arbiter, MayLoseTheAnswerOfAQuestionThatCounted) {
  arbiter_.lose_replies(events_.in(ms(100)));
  for (const int id : {7, 8, 7}) ask(id);
  using enum ArbiterAnswer;
  EXPECT_EQ(answers_, (std::vector{kUnknown, kLost, kWon}));
}

TEST_F(Arbiter, DoesNothingWhileItIsAway) {
  arbiter_.leave(events_.in(ms(10)));
  for (const int id : {7, 8, 7}) ask(id);
  using enum ArbiterAnswer;
  EXPECT_EQ(answers_, (std::vector{kUnknown, kWon, kLost}));
}

class Receiver : public ::testing::Test {
 protected:
  Receiver() {
    for (const Side side : {Side::kPrimary, Side::kBackup}) {
      receiver_.attach(side, {.process = &processes_[side],
                              .on_confirmed = [this, side](auto has) { confirmed_[side] = has; }});
    }
  }
  void say(Side from, Epoch epoch, std::uint64_t offset, const Bytes& bytes) {
    oracle_.released(from, epoch, offset, bytes, true);
    receiver_.released(from, epoch, offset, bytes);
  }
  void run() { events_.run(events_.in(ms(100))); }

  EventQueue events_;
  Oracle oracle_;
  PerSide<SimProcess> processes_;
  PerSide<std::uint64_t> confirmed_;
  SimReceiver receiver_{events_, Prng(1), {}, oracle_};
};

TEST_F(Receiver, ConfirmsWhatItHas) {
  say(Side::kPrimary, {1}, 0, {1, 2, 3});
  run();
  EXPECT_EQ(oracle_.shown(), 3u);
  EXPECT_EQ(confirmed_[Side::kPrimary], 3u);
}

TEST_F(Receiver, DropsAnOlderEpochThatComesFromAStoppedNode) {
  processes_[Side::kPrimary].stop();
  say(Side::kPrimary, {1}, 0, {1, 2});
  say(Side::kBackup, {2}, 0, {1, 2, 3});
  run();
  processes_[Side::kPrimary].go_on();
  run();
  EXPECT_EQ(receiver_.fenced(), 1u);
  EXPECT_EQ(oracle_.repeats(), 0u);
}

TEST_F(Receiver, NeverGetsWhatHadNotLeftADeadNode) {
  say(Side::kPrimary, {1}, 0, {1, 2, 3});
  processes_[Side::kPrimary].kill();
  run();
  EXPECT_EQ(oracle_.shown(), 0u);
}

}  // namespace
}  // namespace ftvm::ftcore::sim
