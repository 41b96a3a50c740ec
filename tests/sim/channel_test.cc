// What a simulated connection loses, and what it does not.
#include <gtest/gtest.h>

#include <string>

#include "ftcore/sim/sim_channel.h"

namespace ftvm::ftcore::sim {
namespace {

class Channel : public ::testing::Test {
 protected:
  Channel() {
    for (const Side side : {Side::kPrimary, Side::kBackup}) {
      channel_.attach(side, {.process = &processes_[side],
                             .on_message =
                                 [this, side](const Bytes& bytes) {
                                   heard_[side].append(bytes.begin(), bytes.end());
                                 },
                             .on_closed = [this, side] { heard_[side] += "!"; },
                             .on_connected = [this, side] { heard_[side] += "?"; }});
    }
  }
  void say(Side from, const std::string& text) {
    sent_ = channel_.send(from, Bytes(text.begin(), text.end()));
  }
  void run_ms(std::int64_t ms) { events_.run(events_.in(ms * kNsPerMs)); }

  EventQueue events_;
  PerSide<SimProcess> processes_;
  PerSide<std::string> heard_;
  bool sent_ = false;  // What was said last.
  SimChannel channel_{events_, Prng(1), {.leave_ns_max = 1 * kNsPerMs, .queue_messages_max = 100}};
};

TEST_F(Channel, KeepsTheOrder) {
  for (char c = 'a'; c <= 'z'; ++c) say(Side::kPrimary, std::string(1, c));
  run_ms(10);
  EXPECT_EQ(heard_[Side::kBackup], "abcdefghijklmnopqrstuvwxyz");
}

TEST_F(Channel, LosesTheEndOfWhatADyingProcessSaidAndThenCloses) {
  for (char c = 'a'; c <= 'z'; ++c) say(Side::kPrimary, std::string(1, c));
  processes_[Side::kPrimary].kill();
  channel_.on_death(Side::kPrimary);
  run_ms(100);
  const std::string all = "abcdefghijklmnopqrstuvwxyz";
  const std::string& heard = heard_[Side::kBackup];
  ASSERT_FALSE(heard.empty());
  EXPECT_EQ(heard.back(), '!') << "its kernel closes the connection";
  EXPECT_LT(heard.size() - 1, all.size());
  EXPECT_EQ(heard.substr(0, heard.size() - 1), all.substr(0, heard.size() - 1));
}

TEST_F(Channel, SaysNothingOfALostHost) {
  say(Side::kPrimary, "a");
  processes_[Side::kPrimary].lose_host();
  channel_.on_death(Side::kPrimary);
  run_ms(1'000);
  EXPECT_EQ(heard_[Side::kBackup].find('!'), std::string::npos);
}

TEST_F(Channel, AResetLosesWhatIsUnderWayAndBothHearOfIt) {
  say(Side::kPrimary, "a");
  channel_.reset();
  say(Side::kPrimary, "b");
  EXPECT_FALSE(sent_) << "there is no connection";
  EXPECT_EQ(heard_[Side::kPrimary], "!");
  EXPECT_EQ(heard_[Side::kBackup], "!");
}

TEST_F(Channel, IsThereAgainAWhileAfterAReset) {
  channel_.reset();
  run_ms(200);
  say(Side::kPrimary, "b");
  run_ms(10);
  EXPECT_EQ(heard_[Side::kPrimary], "!?");
  EXPECT_EQ(heard_[Side::kBackup], "!?b");
}

TEST_F(Channel, StaysClosedWhenOneSideIsDead) {
  channel_.reset();
  processes_[Side::kBackup].kill();
  channel_.on_death(Side::kBackup);
  run_ms(1'000);
  EXPECT_FALSE(channel_.open());
  EXPECT_EQ(heard_[Side::kPrimary], "!");
}

TEST_F(Channel, TakesNoMoreThanItsQueueHolds) {
  channel_.stall(Side::kBackup, events_.in(50 * kNsPerMs));
  for (int i = 0; i < 100; ++i) say(Side::kPrimary, "a");
  EXPECT_TRUE(sent_);
  say(Side::kPrimary, "b");
  EXPECT_FALSE(sent_);
  run_ms(60);
  EXPECT_EQ(heard_[Side::kBackup], std::string(100, 'a'));
}

TEST_F(Channel, AStallDelaysAndLosesNothing) {
  channel_.stall(Side::kBackup, events_.in(50 * kNsPerMs));
  say(Side::kPrimary, "ab");
  say(Side::kBackup, "c");
  run_ms(40);
  EXPECT_EQ(heard_[Side::kBackup], "");
  EXPECT_EQ(heard_[Side::kPrimary], "c") << "the other way is free";
  run_ms(20);
  EXPECT_EQ(heard_[Side::kBackup], "ab");
}

TEST_F(Channel, CorruptsOneMessage) {
  channel_.corrupt_next(Side::kBackup);
  say(Side::kPrimary, "aaaa");
  say(Side::kPrimary, "bbbb");
  run_ms(10);
  EXPECT_NE(heard_[Side::kBackup].substr(0, 4), "aaaa");
  EXPECT_EQ(heard_[Side::kBackup].substr(4), "bbbb");
}

TEST_F(Channel, WhoIsStoppedHearsItWhenItGoesOn) {
  processes_[Side::kBackup].stop();
  say(Side::kPrimary, "a");
  run_ms(10);
  EXPECT_EQ(heard_[Side::kBackup], "");
  processes_[Side::kBackup].go_on();
  EXPECT_EQ(heard_[Side::kBackup], "a");
}

TEST_F(Channel, WhoClosesIsHeardToTheEnd) {
  say(Side::kPrimary, "bye");
  channel_.close(Side::kPrimary);
  run_ms(10);
  EXPECT_EQ(heard_[Side::kBackup], "bye!");
  EXPECT_FALSE(channel_.open());
}

}  // namespace
}  // namespace ftvm::ftcore::sim
