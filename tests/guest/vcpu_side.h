// What a node is to its vCPU, without the node: the levels and lists of Orders, and a vCPU thread
// that runs only while its owner waits for it. Two machines and the test that drives them take
// turns in this way, each in the middle of its own run loop, and what happens is a function of the
// test's seed and not of the host's scheduler.
#pragma once

#include <cstdint>
#include <functional>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>
#include <variant>

#include "emulator/base/assert.h"
#include "ftcore/node/node_link.h"
#include "ftcore/protocol/action.h"
#include "tests/support/pair_box.h"

namespace ftvm::test {

/// Who derives from it says what its machine did to a session.
class VcpuSide : public ftcore::NodeLink {
 public:
  /// `body` starts with the first turn. Lifetime: what it refers to, and the clock, outlive this.
  VcpuSide(const ftcore::test::PairBox& clock, std::function<void()> body)
      : clock_(clock), thread_([this, body = std::move(body)] {
          go_.acquire();
          body();
          done_ = true;
          back_.release();
        }) {}
  /// Precondition: let_run_off().
  ~VcpuSide() override {
    FTVM_ASSERT(done_);
    thread_.join();
  }
  VcpuSide(const VcpuSide&) = delete;
  VcpuSide& operator=(const VcpuSide&) = delete;

  // The owner's.

  std::uint64_t ticks_per_ms = 1;
  bool dead = false;  // Nobody hears it any more.
  [[nodiscard]] Tick at() const { return at_; }
  [[nodiscard]] bool idle() const { return idle_; }
  [[nodiscard]] bool over() const { return dead || done_; }
  /// One millisecond of the vCPU.
  void run() {
    if (done_ || (waiting_ && !news_ && clock_.ms() < waiting_until_ms_)) return;
    const auto share = static_cast<std::uint64_t>(static_cast<double>(ticks_per_ms) * duty_);
    target_ = (waiting_ ? at_ : target_).plus(share + 1);
    if (at_ < target_) take_turn();
  }
  /// What is left of a machine that died, or got stuck: it halts at its next stop.
  void let_run_off() {
    dead = dead || !done_;
    while (!done_) take_turn();
  }
  void set_paused(bool paused) { orders_.paused = paused; }
  /// As Node carries out what concerns its vCPU.
  void act(const ftcore::Action& action) {
    std::visit([this](const auto& one) { on(one); }, action);
  }

  // The vCPU's.

  void set_idle(bool idle) override { idle_ = idle; }
  ftcore::Orders take_orders() override {
    ftcore::Orders taken = orders_;
    if (dead) taken.halted = "killed";
    orders_.journal.clear();
    orders_.records.clear();
    orders_.grant.reset();
    return taken;
  }
  void wait_for_orders() override {
    waiting_ = true;
    waiting_until_ms_ = clock_.ms() + kVcpuWaitMs;
    while (!dead && !news_ && clock_.ms() < waiting_until_ms_) give_back();
    waiting_ = news_ = false;
  }

 protected:
  /// The machine stands at `tick`; its millisecond may be over.
  void stand_at(Tick tick) {
    at_ = tick;
    if (!dead && at_ >= target_) give_back();
  }

 private:
  static constexpr std::int64_t kVcpuWaitMs = 20;
  /// Of a node that is live alone: nothing can happen to it any more, so it may as well hurry.
  static constexpr std::uint64_t kLiveHaste = 50;

  void take_turn() {
    go_.release();
    back_.acquire();
  }
  void give_back() {
    back_.release();
    go_.acquire();
  }

  template <class Other>
  void on(const Other&) {}
  void on(const ftcore::Journal& journal) { news().journal.push_back(journal.body); }
  void on(const ftcore::Deliver& deliver) {
    auto& records = news().records;
    records.insert(records.end(), deliver.records.begin(), deliver.records.end());
  }
  void on(const ftcore::Grant& grant) { news().grant = grant.tick; }
  void on(const ftcore::Drain&) { news().draining = true; }
  void on(const ftcore::GoLive& live) {
    news().live = live.epoch;
    ticks_per_ms *= kLiveHaste;
  }
  void on(const ftcore::Halt& halt) { news().halted = halt.reason; }
  void on(const ftcore::Finish& finish) { news().finished = {finish.reason, finish.note}; }
  void on(const ftcore::SetPaused& paused) { news().paused = paused.paused; }
  /// The box's clock is slowed for it. Ordered, it would put the thread to sleep.
  void on(const ftcore::SetDuty& duty) { duty_ = duty.duty; }
  ftcore::Orders& news() {
    news_ = true;
    return orders_;
  }

  const ftcore::test::PairBox& clock_;
  ftcore::Orders orders_;
  double duty_ = 1;
  Tick at_;
  Tick target_;  // Where its millisecond ends.
  bool idle_ = false;
  bool news_ = false;
  bool waiting_ = false;
  std::int64_t waiting_until_ms_ = 0;
  // Whose turn it is; everything else is handed over with it.
  std::binary_semaphore go_{0}, back_{0};
  bool done_ = false;
  std::thread thread_;  // Last: it uses the others.
};

}  // namespace ftvm::test
