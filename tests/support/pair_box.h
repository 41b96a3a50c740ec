// A pair in a box, but for its guests: a primary and a backup session, joined by a scripted
// channel, heartbeats and arbiter, under one simulated clock of milliseconds. Who derives from it
// brings the machines: run_primary_guest() and run_backup_guest() get a millisecond each, and what
// a session wants of its machine comes back through primary_acts() and backup_acts().
//
// Everything is a function of the options and of what the script does when.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "emulator/base/prng.h"
#include "ftcore/protocol/backup_session.h"
#include "ftcore/protocol/primary_session.h"

namespace ftvm::ftcore::test {

inline Uuid uuid(std::uint8_t fill) {
  Uuid id;
  id.bytes.fill(fill);
  return id;
}
constexpr HostTime at_ms(std::int64_t ms) {
  return {ms * kNsPerMs};
}

class PairBox {
 public:
  struct Wires {
    std::uint64_t seed = 1;
    std::int64_t delay_ms = 2;  // One way.
    std::int64_t arbiter_ms = 5;
    bool acks_lie = false;     // Planted: acknowledgements claim what is still in the channel.
    bool two_winners = false;  // Planted: the arbiter lets everybody win.
  };

  // What a script changes while it runs.
  bool channel_up = true;       // Down: messages vanish, both sides are told once.
  bool channel_silent = false;  // Messages vanish, nobody is told.
  bool heartbeats_up = true;
  bool arbiter_up = true;
  bool primary_dead = false;  // Killed.
  bool backup_dead = false;
  bool primary_stopped = false;  // SIGSTOP: its time passes without it.
  bool backup_stopped = false;

  PairBox(Wires wires, PrimarySession::Options primary, BackupSession::Options backup)
      : rng_(wires.seed),
        wires_(wires),
        primary_(named(std::move(primary)), now()),
        backup_(named(std::move(backup)), now()) {}
  virtual ~PairBox() = default;
  PairBox(const PairBox&) = delete;
  PairBox& operator=(const PairBox&) = delete;

  [[nodiscard]] PrimarySession& primary() { return primary_; }
  [[nodiscard]] BackupSession& backup() { return backup_; }
  [[nodiscard]] HostTime now() const { return at_ms(ms_); }
  [[nodiscard]] std::int64_t ms() const { return ms_; }

  /// Advances the clock by milliseconds.
  void run(std::int64_t ms) {
    for (std::int64_t i = 0; i < ms; ++i) one_ms();
  }
  /// Until `done`, at most `ms_max`; false when it never came.
  bool run_until(const std::function<bool()>& done, std::int64_t ms_max = 20'000) {
    for (std::int64_t i = 0; i < ms_max; ++i) {
      if (done()) return true;
      one_ms();
    }
    return done();
  }
  bool run_until_protected() {
    return run_until([this] { return backup_.role() == Role::kBackup; });
  }
  void cut_channel() {
    channel_up = false;
    to_primary_.clear();
    to_backup_.clear();
    primary_close_due_ = backup_close_due_ = true;  // A stopped process hears of it later.
  }
  void kill_primary() {
    primary_dead = true;
    // What it gave to its kernel still arrives; the rest dies with it.
    const std::uint64_t kept = rng_.below(to_backup_.size() + 1);
    while (to_backup_.size() > kept) to_backup_.pop_back();
  }
  void kill_backup() { backup_dead = true; }

  std::vector<std::string> primary_ends, backup_ends;  // Halt and Finish texts.
  std::optional<EndReason> primary_finish, backup_finish;
  std::uint64_t primary_live = 0, backup_live = 0;  // Epochs of GoLive.

 protected:
  // The machines: one millisecond of each, where they stand, and whether they wait for an event.
  virtual void run_primary_guest() = 0;
  virtual void run_backup_guest() = 0;
  [[nodiscard]] virtual Tick primary_tick() const = 0;
  [[nodiscard]] virtual Tick backup_tick() const = 0;
  [[nodiscard]] virtual bool primary_idle() const { return false; }
  [[nodiscard]] virtual bool backup_idle() const { return false; }
  /// Every action but those of the wires: Send, heartbeats, arbiter.
  virtual void primary_acts(Action& action) = 0;
  virtual void backup_acts(Action& action) = 0;
  /// A rule of the pair was broken.
  virtual void fault(std::string what) = 0;

  // What the sessions want; a constructor calls both, for what they want from the start.
  void carry_out_primary() {
    for (Action& action : primary_.poll_actions()) {
      if (primary_dead) return;  // One of them killed it.
      if (auto* send = std::get_if<Send>(&action)) {
        post(to_backup_, std::move(send->message));
      } else if (auto* open = std::get_if<OpenSlot>(&action)) {
        primary_asks_ = {ms_ + wires_.arbiter_ms, true, open->epoch, {}};
      } else if (auto* ask = std::get_if<Arbitrate>(&action)) {
        primary_asks_ = {ms_ + wires_.arbiter_ms, false, ask->epoch, ask->incarnation};
      } else {
        note(action, primary_beats_, primary_live, primary_ends, primary_finish);
        primary_acts(action);
      }
    }
  }
  void carry_out_backup() {
    for (Action& action : backup_.poll_actions()) {
      if (auto* send = std::get_if<Send>(&action)) {
        post(to_primary_, std::move(send->message));
      } else if (auto* ask = std::get_if<Arbitrate>(&action)) {
        backup_asks_ = {ms_ + wires_.arbiter_ms, false, ask->epoch, ask->incarnation};
      } else {
        note(action, backup_beats_, backup_live, backup_ends, backup_finish);
        backup_acts(action);
      }
    }
  }

  Prng rng_;

 private:
  struct Flight {
    std::int64_t due_ms;
    Message message;
  };
  struct Question {
    std::int64_t due_ms;
    bool slot;
    Epoch epoch;
    Uuid who;
  };

  static PrimarySession::Options named(PrimarySession::Options options) {
    options.pair = uuid(1);
    options.incarnation = uuid(2);
    options.arbiter = "toy";
    return options;
  }
  static BackupSession::Options named(BackupSession::Options options) {
    options.incarnation = uuid(3);
    options.arbiter = "toy";
    return options;
  }

  void one_ms() {
    ++ms_;
    arrive();
    beat();
    if (!primary_dead && !primary_stopped) {
      answer_primary();
      run_primary_guest();
    }
    if (!primary_dead && !primary_stopped) {
      primary_.on_tick(now());
      carry_out_primary();
    }
    if (!backup_dead && !backup_stopped) {
      answer_backup();
      run_backup_guest();
    }
    if (!backup_dead && !backup_stopped) {
      backup_.on_tick(now());
      carry_out_backup();
    }
    watch();
  }

  // ---------------------------------------------------------------- channel
  void arrive() {
    // A stopped process reads nothing; its messages wait in the kernel.
    while (!backup_dead && !backup_stopped && !to_backup_.empty() &&
           to_backup_.front().due_ms <= ms_) {
      const Message message = std::move(to_backup_.front().message);
      to_backup_.pop_front();
      backup_.on_message(message, now());
      carry_out_backup();
    }
    while (!primary_dead && !primary_stopped && !to_primary_.empty() &&
           to_primary_.front().due_ms <= ms_) {
      Message message = std::move(to_primary_.front().message);
      to_primary_.pop_front();
      auto* ack = std::get_if<Ack>(&message.body);
      if (ack != nullptr && wires_.acks_lie) ack->accepted = primary_.metrics().sent;
      primary_.on_message(message, now());
      carry_out_primary();
    }
    tell_of_closed_channel();
  }
  void tell_of_closed_channel() {
    // The kernel of a killed process closes its connections behind the last message.
    if (primary_dead && to_backup_.empty() && channel_up && !death_told_) {
      death_told_ = backup_close_due_ = true;
    }
    if (backup_dead && to_primary_.empty() && channel_up && !death_told_) {
      death_told_ = primary_close_due_ = true;
    }
    if (backup_close_due_ && !backup_dead && !backup_stopped) {
      backup_close_due_ = false;
      backup_.on_channel_closed(now());
      carry_out_backup();
    }
    if (primary_close_due_ && !primary_dead && !primary_stopped) {
      primary_close_due_ = false;
      primary_.on_channel_closed(now());
      carry_out_primary();
    }
  }
  void post(std::deque<Flight>& way, Message message) {
    if (channel_up && !channel_silent) way.push_back({ms_ + wires_.delay_ms, std::move(message)});
  }

  void beat() {
    const bool all = !primary_dead && !primary_stopped && !backup_dead && !backup_stopped;
    if (ms_ % 20 != 0 || !heartbeats_up || !all) return;
    if (primary_beats_) {
      backup_.on_heartbeat({primary_beats_->session, primary_beats_->epoch, ++beats_,
                            primary_tick(), primary_.paused() || primary_idle()},
                           now());
      carry_out_backup();
    }
    if (backup_beats_) {
      primary_.on_heartbeat({backup_beats_->session, backup_beats_->epoch, ++beats_, backup_tick(),
                             backup_.paused() || backup_idle()},
                            now());
      carry_out_primary();
    }
  }

  // ---------------------------------------------------------------- arbiter
  ArbiterAnswer test_and_set(Epoch epoch, Uuid who) {
    if (!arbiter_up) return ArbiterAnswer::kUnknown;
    if (wires_.two_winners) return ArbiterAnswer::kWon;
    const auto [slot, fresh] = slots_.emplace(epoch.value, who);
    return slot->second == who ? ArbiterAnswer::kWon : ArbiterAnswer::kLost;
  }
  [[nodiscard]] SlotAnswer look(Epoch epoch) const {
    if (!arbiter_up) return SlotAnswer::kUnreachable;
    return slots_.count(epoch.value) != 0 ? SlotAnswer::kTaken : SlotAnswer::kOpened;
  }
  void answer_primary() {
    if (!primary_asks_ || primary_asks_->due_ms > ms_) return;
    const Question question = *std::exchange(primary_asks_, std::nullopt);
    if (question.slot) {
      primary_.on_slot(question.epoch, look(question.epoch), now());
    } else {
      primary_.on_arbiter(question.epoch, test_and_set(question.epoch, question.who), now());
    }
    carry_out_primary();
  }
  void answer_backup() {
    if (!backup_asks_ || backup_asks_->due_ms > ms_) return;
    const Question question = *std::exchange(backup_asks_, std::nullopt);
    backup_.on_arbiter(question.epoch, test_and_set(question.epoch, question.who), now());
    carry_out_backup();
  }

  // ---------------------------------------------------------------- what both sides have to say
  static void note(const Action& action, std::optional<StartHeartbeats>& beats, std::uint64_t& live,
                   std::vector<std::string>& ends, std::optional<EndReason>& finished) {
    if (const auto* start = std::get_if<StartHeartbeats>(&action)) {
      beats = *start;
    } else if (std::holds_alternative<StopHeartbeats>(action)) {
      beats.reset();
    } else if (const auto* alone = std::get_if<GoLive>(&action)) {
      live = alone->epoch.value;
    } else if (const auto* halt = std::get_if<Halt>(&action)) {
      ends.push_back(halt->reason);
    } else if (const auto* finish = std::get_if<Finish>(&action)) {
      ends.push_back(finish->note);
      finished = finish->reason;
    }
  }
  void watch() {
    if (primary_live != 0 && backup_live != 0) fault("both nodes went live");
    const bool both = primary_.role() == Role::kLone && backup_.role() == Role::kLone;
    if (both) fault("both nodes are lone");
  }

  Wires wires_;
  std::int64_t ms_ = 0;
  PrimarySession primary_;
  BackupSession backup_;
  std::deque<Flight> to_primary_, to_backup_;
  std::optional<StartHeartbeats> primary_beats_, backup_beats_;
  std::uint64_t beats_ = 0;
  bool death_told_ = false;
  bool primary_close_due_ = false, backup_close_due_ = false;
  std::optional<Question> primary_asks_, backup_asks_;
  std::map<std::uint64_t, Uuid> slots_;
};

}  // namespace ftvm::ftcore::test
