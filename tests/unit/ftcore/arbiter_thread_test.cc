// Asking an arbiter that may never answer: the owner always gets an event, and an answer that comes
// too late is used only where it still means something.
#include "ftcore/arbiter/arbiter_thread.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "ftcore/arbiter/file_arbiter.h"
#include "tests/unit/ftcore/transport_test_util.h"

namespace ftvm::ftcore {
namespace {

/// Blocks each call until the test lets it go, as a hard mount does.
class Gate {
 public:
  ArbiterAnswer pass(Epoch epoch) {
    std::unique_lock lock(mutex_);
    entered_.push_back(epoch);
    changed_.notify_all();
    changed_.wait(lock, [this] { return !answers_.empty(); });
    const ArbiterAnswer answer = answers_.front();
    answers_.pop_front();
    changed_.notify_all();
    return answer;
  }
  void let_go(ArbiterAnswer answer) {
    const std::lock_guard lock(mutex_);
    answers_.push_back(answer);
    changed_.notify_all();
  }
  /// Waits until `count` calls have begun in all, and returns their epochs.
  std::vector<Epoch> wait_entered(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(kWaitMs),
                      [&] { return entered_.size() >= count; });
    return entered_;
  }
  void wait_left() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(kWaitMs), [&] { return answers_.empty(); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Epoch> entered_;
  std::deque<ArbiterAnswer> answers_;
};

class BlockingArbiter final : public Arbiter {
 public:
  explicit BlockingArbiter(std::shared_ptr<Gate> gate) : gate_(std::move(gate)) {}
  SlotAnswer open(const Uuid&, Epoch epoch, const Uuid&) override {
    return gate_->pass(epoch) == ArbiterAnswer::kWon ? SlotAnswer::kOpened : SlotAnswer::kTaken;
  }
  ArbiterAnswer test_and_set(const Uuid&, Epoch epoch, const Uuid&) override {
    return gate_->pass(epoch);
  }
  [[nodiscard]] std::string describe() const override { return "blocking"; }
  [[nodiscard]] std::string reason() const override { return "the gate said so"; }

 private:
  std::shared_ptr<Gate> gate_;
};

constexpr std::uint32_t kShortMs = 1;
constexpr std::uint32_t kLongMs = kWaitMs;

ArbiterCall claim(std::uint64_t epoch) {
  return {ArbiterCall::Kind::kTestAndSet, test_uuid(1), Epoch{epoch}, test_uuid(2)};
}

class ArbiterThreadTest : public ::testing::Test {
 protected:
  void start(std::uint32_t timeout_ms) {
    auto started =
        ArbiterThread::start(std::make_unique<BlockingArbiter>(gate_), {.timeout_ms = timeout_ms});
    ASSERT_TRUE(started.has_value());
    thread_ = *std::move(started);
  }
  std::optional<ArbiterEvent> next() {
    return wait_for_next(thread_->descriptor(), [this] { return thread_->poll(); });
  }
  /// Asks, and takes the event that says that the time was up. A call is in the arbiter by then.
  void ask_and_time_out(const ArbiterCall& call) {
    ASSERT_TRUE(thread_->ask(call));
    ASSERT_FALSE(gate_->wait_entered(1).empty());
    const auto event = next();
    ASSERT_TRUE(event.has_value());
    EXPECT_TRUE(event->timed_out);
    EXPECT_EQ(event->call, call);
  }
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();  // The thread may outlive the test.
  std::unique_ptr<ArbiterThread> thread_;
};

TEST_F(ArbiterThreadTest, PassesAnswersOfARealArbiterOn) {
  TempDir folder;
  auto thread = ArbiterThread::start(std::make_unique<FileArbiter>(folder.path()), {});
  ASSERT_TRUE(thread.has_value());
  EXPECT_EQ((*thread)->describe(), "file:" + folder.path());
  const auto ask = [&](const ArbiterCall& call) {
    EXPECT_TRUE((*thread)->ask(call));
    return wait_for_next((*thread)->descriptor(), [&] { return (*thread)->poll(); });
  };
  ArbiterCall call = claim(5);
  call.kind = ArbiterCall::Kind::kOpen;
  auto event = ask(call);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(std::get<SlotAnswer>(event->answer), SlotAnswer::kOpened) << event->reason;
  event = ask(claim(5));
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(std::get<ArbiterAnswer>(event->answer), ArbiterAnswer::kWon) << event->reason;
  EXPECT_FALSE(event->timed_out);
  EXPECT_FALSE(event->late);
}

TEST_F(ArbiterThreadTest, OneCallAtATime) {
  start(kLongMs);
  EXPECT_TRUE(thread_->ask(claim(1)));
  EXPECT_TRUE(thread_->waiting());
  EXPECT_FALSE(thread_->ask(claim(1)));
  EXPECT_FALSE(thread_->ask(claim(2)));
  gate_->let_go(ArbiterAnswer::kLost);
  const auto event = next();
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(std::get<ArbiterAnswer>(event->answer), ArbiterAnswer::kLost);
  EXPECT_EQ(event->reason, "the gate said so");
  EXPECT_FALSE(thread_->waiting());
  EXPECT_EQ(gate_->wait_entered(1).size(), 1u);
  EXPECT_FALSE(thread_->poll().has_value());
}

TEST_F(ArbiterThreadTest, AnArbiterThatNeverAnswersIsUnknownInTime) {
  start(kShortMs);
  ASSERT_TRUE(thread_->ask(claim(1)));
  const auto event = next();
  ASSERT_TRUE(event.has_value());
  EXPECT_TRUE(event->timed_out);
  EXPECT_EQ(std::get<ArbiterAnswer>(event->answer), ArbiterAnswer::kUnknown);
  EXPECT_NE(event->reason.find("no answer within 1 ms"), std::string::npos) << event->reason;
  EXPECT_FALSE(thread_->waiting());

  ArbiterCall call = claim(1);
  call.kind = ArbiterCall::Kind::kOpen;
  ASSERT_TRUE(thread_->ask(call));
  const auto slot = next();
  ASSERT_TRUE(slot.has_value());
  EXPECT_EQ(std::get<SlotAnswer>(slot->answer), SlotAnswer::kUnreachable);
  gate_->let_go(ArbiterAnswer::kLost);
}

TEST_F(ArbiterThreadTest, ALateVictoryIsNotLost) {
  start(kShortMs);
  ask_and_time_out(claim(1));
  gate_->let_go(ArbiterAnswer::kWon);
  const auto event = next();
  ASSERT_TRUE(event.has_value());
  EXPECT_TRUE(event->late);
  EXPECT_EQ(std::get<ArbiterAnswer>(event->answer), ArbiterAnswer::kWon);
}

TEST_F(ArbiterThreadTest, ALateUnknownIsNoNews) {
  start(kShortMs);
  ask_and_time_out(claim(1));
  gate_->let_go(ArbiterAnswer::kUnknown);
  ASSERT_TRUE(wait_readable(thread_->descriptor()));
  EXPECT_FALSE(thread_->poll().has_value());
}

TEST_F(ArbiterThreadTest, AskingAgainAdoptsTheCallThatStillRuns) {
  start(kShortMs);
  ask_and_time_out(claim(1));
  for (int repeat = 0; repeat < 3; ++repeat) ask_and_time_out(claim(1));
  gate_->let_go(ArbiterAnswer::kWon);
  const auto event = next();
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(std::get<ArbiterAnswer>(event->answer), ArbiterAnswer::kWon);
  EXPECT_EQ(gate_->wait_entered(1).size(), 1u) << "the arbiter was asked once only";
  EXPECT_FALSE(thread_->poll().has_value());
}

TEST_F(ArbiterThreadTest, AnAnswerThatCameBetweenTimeoutAndAskingAgainIsUsed) {
  start(kShortMs);
  ask_and_time_out(claim(1));
  gate_->let_go(ArbiterAnswer::kLost);
  ASSERT_TRUE(wait_readable(thread_->descriptor()));
  ASSERT_TRUE(thread_->ask(claim(1)));
  const auto event = next();
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(std::get<ArbiterAnswer>(event->answer), ArbiterAnswer::kLost);
  EXPECT_FALSE(event->late);
  EXPECT_EQ(gate_->wait_entered(1).size(), 1u);
}

TEST_F(ArbiterThreadTest, TheLateAnswerOfAnotherEpochIsIgnored) {
  start(kShortMs);
  ask_and_time_out(claim(1));
  ask_and_time_out(claim(2));          // Queued behind the blocked call, then out of time itself.
  gate_->let_go(ArbiterAnswer::kWon);  // Of epoch 1: nobody wants it.
  EXPECT_EQ(gate_->wait_entered(2).back(), Epoch{2});
  gate_->let_go(ArbiterAnswer::kLost);  // Of epoch 2.
  const auto event = next();
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->call.epoch, Epoch{2});
  EXPECT_EQ(std::get<ArbiterAnswer>(event->answer), ArbiterAnswer::kLost);
  EXPECT_TRUE(event->late);
  EXPECT_FALSE(thread_->poll().has_value());
}

TEST_F(ArbiterThreadTest, AnAnswerOfAnOldAskInTheQueueDoesNotAnswerANewOne) {
  start(kShortMs);
  ask_and_time_out(claim(1));
  gate_->let_go(ArbiterAnswer::kWon);
  ASSERT_TRUE(wait_readable(thread_->descriptor()));
  ASSERT_TRUE(thread_->ask(claim(2)));
  EXPECT_EQ(gate_->wait_entered(2).back(), Epoch{2});
  gate_->let_go(ArbiterAnswer::kLost);
  // In time or late, depending on the machine; an answer of epoch 1 in no case.
  for (int events = 0; events < 2; ++events) {
    const auto event = next();
    ASSERT_TRUE(event.has_value());
    EXPECT_EQ(event->call.epoch, Epoch{2});
    if (!event->timed_out) return;
  }
  FAIL() << "the answer of epoch 2 never came";
}

TEST_F(ArbiterThreadTest, GoesAwayWhileACallIsBlocked) {
  start(kShortMs);
  ask_and_time_out(claim(1));
  thread_.reset();  // Must not wait.
  gate_->let_go(ArbiterAnswer::kWon);
  gate_->wait_left();
}

TEST_F(ArbiterThreadTest, TheProcessCanExitWhileACallIsBlocked) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        start(kShortMs);
        ask_and_time_out(claim(1));
        std::exit(7);
      },
      ::testing::ExitedWithCode(7), "");
}

TEST_F(ArbiterThreadTest, SignalsStayWithTheOwner) {
  start(kLongMs);
  sigset_t pending;
  ASSERT_TRUE(thread_->ask(claim(1)));
  EXPECT_EQ(gate_->wait_entered(1).size(), 1u);
  // Blocked here and taken nowhere else, the signal stays pending for the process.
  sigset_t usr1;
  sigset_t before;
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &usr1, &before);
  ::kill(::getpid(), SIGUSR1);
  sigpending(&pending);
  EXPECT_TRUE(sigismember(&pending, SIGUSR1));
  int taken = 0;
  sigwait(&usr1, &taken);
  EXPECT_EQ(taken, SIGUSR1);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  gate_->let_go(ArbiterAnswer::kWon);
  EXPECT_TRUE(next().has_value());
}

TEST(ArbiterThreadOptions, AnImpossibleTimeoutIsRefused) {
  for (const std::uint32_t timeout_ms : {0u, ArbiterThread::kTimeoutMsMax + 1}) {
    const auto thread = ArbiterThread::start(
        std::make_unique<BlockingArbiter>(std::make_shared<Gate>()), {.timeout_ms = timeout_ms});
    ASSERT_FALSE(thread.has_value());
    EXPECT_EQ(thread.error().code(), ErrorCode::kUsage);
  }
}

}  // namespace
}  // namespace ftvm::ftcore
