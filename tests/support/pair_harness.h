// A pair in a box: a primary and a backup session, joined by a scripted channel, heartbeats and
// arbiter, each with a toy machine, under one simulated clock. An oracle sees both sides and what
// left them.
//
// The toy machine is deterministic in the way that matters: what it puts out depends on every input
// it was given and on the tick, so a takeover that loses or invents one is seen outside.
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

inline constexpr std::uint64_t kToyOutputTicks = 700;  // One output each so many ticks.
inline constexpr std::uint64_t kToyInputTicks = 1100;  // One input about each so many, when live.

/// State of the toy guest: a hash over its inputs, and a count of its outputs.
struct ToyGuest {
  std::uint64_t tick = 0;
  std::uint64_t hash = 1;
  std::uint64_t outputs = 0;

  void mix(std::uint64_t value) { hash = (hash ^ value) * 0x9e3779b97f4a7c15 + tick; }
  /// One tick; true when it completes an output.
  bool step() {
    ++tick;
    return tick % kToyOutputTicks == 0;
  }
  Output output() {
    Output out{.at = Tick{tick}, .endpoint = Endpoint::kConsole, .bytes = {}};
    ByteWriter writer(out.bytes);
    writer.put(outputs++);
    writer.put(hash);
    return out;
  }
};

/// What left the pair, and what the rules say about it. Every broken rule is one line of `faults`.
class Oracle {
 public:
  std::vector<std::string> faults;
  std::map<std::uint64_t, std::uint64_t> stream;  // Output number to what it said.
  std::uint64_t repeats = 0;

  static std::uint64_t number_of(const Output& output) {
    return *ByteReader(output.bytes).get<std::uint64_t>();
  }
  /// `covered`: the backup had the output's mark, or the node was the only one.
  void left(const std::string& node, const Output& output, bool covered) {
    ByteReader reader(output.bytes);
    const std::uint64_t number = *reader.get<std::uint64_t>();
    const std::uint64_t hash = *reader.get<std::uint64_t>();
    if (!covered) {
      fault(node + ": output " + std::to_string(number) + " left before the backup had its mark");
    }
    const auto [place, fresh] = stream.emplace(number, hash);
    if (!fresh) {
      ++repeats;
      if (place->second != hash) fault(node + ": output " + std::to_string(number) + " differs");
    } else if (number != stream.size() - 1) {
      fault(node + ": output " + std::to_string(number) + " left out of order");
    }
  }
  void fault(std::string what) {
    if (faults.size() < 20) faults.push_back(std::move(what));
  }
};

class Pair {
 public:
  enum class Plant : std::uint8_t {
    kNone,
    kReleaseEarly,   // The primary's outputs go outside at once.
    kConfirmUnseen,  // They count as confirmed when they are released, not when they arrive.
    kAckUnseen,      // Acknowledgements claim what is still in the channel.
    kTwoWinners,     // The arbiter lets everybody win.
    kSkipDrain,      // The backup says that it drained when it did not.
  };
  struct Options {
    std::uint64_t seed = 1;
    Plant plant = Plant::kNone;
    std::int64_t delay_ms = 2;         // One way.
    std::uint64_t ticks_per_ms = 100;  // Of the primary; the backup's is a share of it.
    double backup_speed = 1.0;
    std::int64_t arbiter_ms = 5;
    /// What the primary releases arrives so much later, and is confirmed then; what has not arrived
    /// dies with the primary. 0: it arrives at once and nobody confirms anything.
    std::int64_t receipt_ms = 0;
    std::function<void(PrimarySession::Options&)> tune_primary{};
    std::function<void(BackupSession::Options&)> tune_backup{};
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
  bool primary_wedged = false;           // The vCPU hangs, the rest runs.
  std::optional<EndReason> end_primary;  // At its next tick.

  Oracle oracle;

  explicit Pair(Options options) : options_(std::move(options)), rng_(options_.seed) {
    PrimarySession::Options p{
        .pair = uuid(1), .incarnation = uuid(2), .identity = {}, .arbiter = "toy"};
    if (options_.tune_primary) options_.tune_primary(p);
    BackupSession::Options b{.incarnation = uuid(3), .identity = {}, .arbiter = "toy"};
    if (options_.tune_backup) options_.tune_backup(b);
    primary_.emplace(p, now());
    backup_.emplace(b, now());
    carry_out_primary();
    carry_out_backup();
  }

  [[nodiscard]] PrimarySession& primary() { return *primary_; }
  [[nodiscard]] BackupSession& backup() { return *backup_; }
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
    return run_until([this] { return backup_->role() == Role::kBackup; });
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
  std::uint64_t records_max_in_backup = 0;
  bool primary_pause_seen = false;

 private:
  struct Flight {
    std::int64_t due_ms;
    Message message;
  };

  void one_ms() {
    ++ms_;
    arrive();
    beat();
    if (!primary_dead && !primary_stopped) {
      receive_outputs();
      answer_primary();
      run_primary_guest();
      primary_->on_tick(now());
      carry_out_primary();
    }
    if (!backup_dead && !backup_stopped) {
      answer_backup();
      run_backup_guest();
      backup_->on_tick(now());
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
      backup_->on_message(message, now());
      carry_out_backup();
    }
    while (!primary_dead && !primary_stopped && !to_primary_.empty() &&
           to_primary_.front().due_ms <= ms_) {
      Message message = std::move(to_primary_.front().message);
      to_primary_.pop_front();
      auto* ack = std::get_if<Ack>(&message.body);
      if (ack != nullptr && options_.plant == Plant::kAckUnseen) {
        ack->accepted = primary_->metrics().sent;
      }
      primary_->on_message(message, now());
      carry_out_primary();
    }
    // The kernel of a killed process closes its connections behind the last message.
    if (primary_dead && to_backup_.empty() && channel_up && !death_told_) {
      death_told_ = backup_close_due_ = true;
    }
    if (backup_dead && to_primary_.empty() && channel_up && !death_told_) {
      death_told_ = primary_close_due_ = true;
    }
    if (backup_close_due_ && !backup_dead && !backup_stopped) {
      backup_close_due_ = false;
      backup_->on_channel_closed(now());
      carry_out_backup();
    }
    if (primary_close_due_ && !primary_dead && !primary_stopped) {
      primary_close_due_ = false;
      primary_->on_channel_closed(now());
      carry_out_primary();
    }
  }
  void post(std::deque<Flight>& way, Message message) {
    if (channel_up && !channel_silent) way.push_back({ms_ + options_.delay_ms, std::move(message)});
  }

  void beat() {
    if (ms_ % 20 != 0 || !heartbeats_up) return;
    if (primary_beats_ && !primary_dead && !primary_stopped && !backup_dead && !backup_stopped) {
      backup_->on_heartbeat({primary_beats_->session, primary_beats_->epoch, ++beats_,
                             Tick{primary_guest_.tick}, primary_->paused()},
                            now());
      carry_out_backup();
    }
    if (backup_beats_ && !backup_dead && !backup_stopped && !primary_dead && !primary_stopped) {
      primary_->on_heartbeat({backup_beats_->session, backup_beats_->epoch, ++beats_,
                              Tick{backup_guest_.tick}, backup_->paused()},
                             now());
      carry_out_primary();
    }
  }

  // ---------------------------------------------------------------- arbiter
  struct Question {
    std::int64_t due_ms;
    bool slot;
    Epoch epoch;
    Uuid who;
  };
  ArbiterAnswer test_and_set(Epoch epoch, Uuid who) {
    if (!arbiter_up) return ArbiterAnswer::kUnknown;
    if (options_.plant == Plant::kTwoWinners) return ArbiterAnswer::kWon;
    const auto [slot, fresh] = slots_.emplace(epoch.value, who);
    return slot->second == who ? ArbiterAnswer::kWon : ArbiterAnswer::kLost;
  }
  SlotAnswer look(Epoch epoch) const {
    if (!arbiter_up) return SlotAnswer::kUnreachable;
    return slots_.count(epoch.value) != 0 ? SlotAnswer::kTaken : SlotAnswer::kOpened;
  }
  void answer_primary() {
    if (!primary_asks_ || primary_asks_->due_ms > ms_) return;
    const Question question = *std::exchange(primary_asks_, std::nullopt);
    if (question.slot) {
      primary_->on_slot(question.epoch, look(question.epoch), now());
    } else {
      primary_->on_arbiter(question.epoch, test_and_set(question.epoch, question.who), now());
    }
    carry_out_primary();
  }
  void answer_backup() {
    if (!backup_asks_ || backup_asks_->due_ms > ms_) return;
    const Question question = *std::exchange(backup_asks_, std::nullopt);
    backup_->on_arbiter(question.epoch, test_and_set(question.epoch, question.who), now());
    carry_out_backup();
  }

  // ---------------------------------------------------------------- guests
  replay::Record record_of(std::uint64_t& seq, std::uint64_t tick, Endpoint endpoint,
                           replay::RecordBody body) {
    return {JournalSeq{++seq}, Tick{tick}, endpoint, std::move(body)};
  }
  /// Inputs of a live machine: drawn, not derived, so a replica can not guess them.
  std::optional<ConsoleBytes> draw_input() {
    if (rng_.below(kToyInputTicks) != 0) return std::nullopt;
    Bytes bytes(1 + rng_.below(3));
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(rng_.below(256));
    return ConsoleBytes{0, std::move(bytes)};
  }
  static void apply(ToyGuest& guest, const ConsoleBytes& input) {
    for (const std::uint8_t byte : input.bytes) guest.mix(byte);
  }

  void run_primary_guest() {
    if (primary_finish || !primary_ends.empty() || primary_ended_) return;
    journal_primary();
    if (end_primary && !primary_->paused()) return end_primary_guest();
    if (primary_->paused() || primary_wedged) return;
    const auto ticks = static_cast<std::uint64_t>(
        std::max(1.0, static_cast<double>(options_.ticks_per_ms) * primary_duty_));
    for (std::uint64_t i = 0; i < ticks && !primary_->paused(); ++i) {
      if (primary_guest_.step()) {
        const Output output = primary_guest_.output();
        primary_->on_record(record_of(primary_seq_, primary_guest_.tick, Endpoint::kConsole,
                                      replay::OutputMark{Endpoint::kConsole, 16, 0}),
                            now());
        mark_of_[Oracle::number_of(output)] = primary_seq_;
        if (options_.plant == Plant::kReleaseEarly) primary_left(output);
        primary_->on_output(JournalSeq{primary_seq_}, output, now());
      }
      if (const auto input = draw_input()) {
        primary_->on_record(
            record_of(primary_seq_, primary_guest_.tick, Endpoint::kConsole, *input), now());
        apply(primary_guest_, *input);
      }
    }
    primary_->on_progress(Tick{primary_guest_.tick}, now());
    carry_out_primary();
  }
  void primary_left(const Output& output) {
    const bool alone = primary_live != 0 || primary_->role() == Role::kLone;
    const std::uint64_t mark = mark_of_.at(Oracle::number_of(output));
    const bool covered = alone || mark <= delivered_;
    if (options_.receipt_ms == 0) return oracle.left("primary", output, covered);
    if (options_.plant == Plant::kConfirmUnseen) primary_->on_confirmed({mark}, now());
    leaving_.push_back({ms_ + options_.receipt_ms, output, covered});
  }
  void receive_outputs() {
    while (!leaving_.empty() && leaving_.front().due_ms <= ms_) {
      const Leaving arrived = std::move(leaving_.front());
      leaving_.pop_front();
      oracle.left("primary", arrived.output, arrived.covered);
      if (options_.plant == Plant::kConfirmUnseen) continue;
      primary_->on_confirmed({mark_of_.at(Oracle::number_of(arrived.output))}, now());
    }
  }
  void journal_primary() {
    for (replay::RecordBody& body : std::exchange(primary_journal_, {})) {
      primary_->on_record(
          record_of(primary_seq_, primary_guest_.tick, Endpoint::kPower, std::move(body)), now());
    }
    carry_out_primary();
  }
  void end_primary_guest() {
    primary_ended_ = true;
    primary_->on_record(record_of(primary_seq_, primary_guest_.tick, Endpoint::kPower,
                                  replay::End{*end_primary, {}}),
                        now());
    primary_->on_end(*end_primary, now());
    carry_out_primary();
  }

  void run_backup_guest() {
    if (backup_finish || !backup_ends.empty() || backup_->paused()) return;
    const auto ticks = static_cast<std::uint64_t>(
        std::max(1.0, static_cast<double>(options_.ticks_per_ms) * 2 * options_.backup_speed));
    for (std::uint64_t i = 0; i < ticks; ++i) {
      consume();
      if (backup_->role() != Role::kLone && backup_guest_.tick == backup_limit_) break;
      if (backup_guest_.step()) backup_output();
      if (backup_->role() != Role::kLone) continue;
      if (const auto input = draw_input()) {
        ++backup_seq_;
        apply(backup_guest_, *input);
      }
    }
    consume();
    if (backup_->role() != Role::kLone && !lied_) {
      backup_->on_executed(Tick{backup_guest_.tick}, JournalSeq{backup_seq_}, now());
    }
    carry_out_backup();
    const bool drained = backup_inbox_.empty() && backup_guest_.tick == backup_limit_;
    if (drain_ && (drained || options_.plant == Plant::kSkipDrain)) {
      drain_.reset();
      if (!drained) {
        lied_ = true;
        backup_limit_ = backup_guest_.tick;
        backup_inbox_.clear();
      }
      backup_->on_drained(now());
      carry_out_backup();
    }
  }
  /// Everything that belongs to the tick where the guest stands.
  void consume() {
    while (!backup_inbox_.empty() && backup_inbox_.front().at.value <= backup_guest_.tick) {
      const replay::Record& record = backup_inbox_.front();
      if (record.at.value < backup_guest_.tick) oracle.fault("backup: a record came too late");
      if (const auto* input = std::get_if<ConsoleBytes>(&record.body)) {
        apply(backup_guest_, *input);
      }
      backup_seq_ = record.seq.value;
      backup_inbox_.pop_front();
    }
  }
  void backup_output() {
    Output output = backup_guest_.output();
    if (backup_->role() == Role::kLone) {
      backup_->on_output(JournalSeq{++backup_seq_}, std::move(output), now());
      return;
    }
    // Marks of this output: the first of this tick that was not used yet.
    for (const replay::Record& record : backup_inbox_) {
      if (std::holds_alternative<replay::OutputMark>(record.body)) {
        if (record.at.value != backup_guest_.tick) oracle.fault("backup: output without a mark");
        backup_->on_output(record.seq, std::move(output), now());
        return;
      }
    }
    oracle.fault("backup: output without any mark");
  }

  // ---------------------------------------------------------------- actions
  void carry_out_primary() {
    for (Action& action : primary_->poll_actions()) {
      if (auto* send = std::get_if<Send>(&action)) {
        post(to_backup_, std::move(send->message));
      } else if (auto* open = std::get_if<OpenSlot>(&action)) {
        primary_asks_ = {ms_ + options_.arbiter_ms, true, open->epoch, {}};
      } else if (auto* ask = std::get_if<Arbitrate>(&action)) {
        primary_asks_ = {ms_ + options_.arbiter_ms, false, ask->epoch, ask->incarnation};
      } else if (auto* journal = std::get_if<Journal>(&action)) {
        primary_journal_.push_back(std::move(journal->body));
      } else if (auto* release = std::get_if<Release>(&action)) {
        for (const Output& output : release->outputs) primary_left(output);
      } else if (auto* duty = std::get_if<SetDuty>(&action)) {
        primary_duty_ = duty->duty;
      } else if (auto* pause = std::get_if<SetPaused>(&action)) {
        primary_pause_seen = primary_pause_seen || pause->paused;
      } else if (auto* beats = std::get_if<StartHeartbeats>(&action)) {
        primary_beats_ = *beats;
      } else if (auto* live = std::get_if<GoLive>(&action)) {
        primary_live = live->epoch.value;
      } else {
        end_of(action, primary_ends, primary_finish, primary_beats_);
      }
    }
  }
  void carry_out_backup() {
    for (Action& action : backup_->poll_actions()) {
      if (auto* send = std::get_if<Send>(&action)) {
        post(to_primary_, std::move(send->message));
      } else if (auto* deliver = std::get_if<Deliver>(&action)) {
        for (replay::Record& record : deliver->records) {
          backup_limit_ = std::max(backup_limit_, record.at.value);
          delivered_ = record.seq.value;
          backup_inbox_.push_back(std::move(record));
        }
        records_max_in_backup =
            std::max<std::uint64_t>(records_max_in_backup, backup_inbox_.size());
      } else if (auto* grant = std::get_if<Grant>(&action)) {
        backup_limit_ = std::max(backup_limit_, grant->tick.value);
      } else if (auto* drain = std::get_if<Drain>(&action)) {
        drain_ = *drain;
      } else if (auto* ask = std::get_if<Arbitrate>(&action)) {
        backup_asks_ = {ms_ + options_.arbiter_ms, false, ask->epoch, ask->incarnation};
      } else if (auto* release = std::get_if<Release>(&action)) {
        for (const Output& output : release->outputs) oracle.left("backup", output, true);
      } else if (auto* beats = std::get_if<StartHeartbeats>(&action)) {
        backup_beats_ = *beats;
      } else if (auto* live = std::get_if<GoLive>(&action)) {
        backup_live = live->epoch.value;
      } else if (std::holds_alternative<Journal>(action)) {
        ++backup_seq_;
      } else {
        end_of(action, backup_ends, backup_finish, backup_beats_);
      }
    }
  }
  static void end_of(const Action& action, std::vector<std::string>& ends,
                     std::optional<EndReason>& finished, std::optional<StartHeartbeats>& beats) {
    if (const auto* halt = std::get_if<Halt>(&action)) {
      ends.push_back(halt->reason);
    } else if (const auto* finish = std::get_if<Finish>(&action)) {
      ends.push_back(finish->note);
      finished = finish->reason;
    } else if (std::holds_alternative<StopHeartbeats>(action)) {
      beats.reset();
    }
  }

  void watch() {
    if (primary_live != 0 && backup_live != 0) oracle.fault("both nodes went live");
    const bool both = primary_->role() == Role::kLone && backup_->role() == Role::kLone;
    if (both) oracle.fault("both nodes are lone");
  }

  Options options_;
  Prng rng_;
  std::int64_t ms_ = 0;
  std::optional<PrimarySession> primary_;
  std::optional<BackupSession> backup_;
  std::deque<Flight> to_primary_, to_backup_;
  std::optional<StartHeartbeats> primary_beats_, backup_beats_;
  std::uint64_t beats_ = 0;
  bool death_told_ = false;
  bool primary_close_due_ = false, backup_close_due_ = false;
  std::optional<Question> primary_asks_, backup_asks_;
  std::map<std::uint64_t, Uuid> slots_;
  // Guests.
  ToyGuest primary_guest_, backup_guest_;
  std::uint64_t primary_seq_ = 0, backup_seq_ = 0;
  double primary_duty_ = 1;
  bool primary_ended_ = false;
  std::vector<replay::RecordBody> primary_journal_;
  std::deque<replay::Record> backup_inbox_;
  std::uint64_t backup_limit_ = 0;
  std::uint64_t delivered_ = 0;                     // Last record in the backup's memory.
  std::map<std::uint64_t, std::uint64_t> mark_of_;  // Output number to record number.
  struct Leaving {
    std::int64_t due_ms;
    Output output;
    bool covered;
  };
  std::deque<Leaving> leaving_;  // Released by the primary, on the way to the receiver.
  std::optional<Drain> drain_;
  bool lied_ = false;  // Plant::kSkipDrain has struck.
};

}  // namespace ftvm::ftcore::test
