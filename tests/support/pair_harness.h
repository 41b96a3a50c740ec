// A pair in a box whose guests are toys: the sessions and wires of pair_box.h, a toy machine on
// each side, and an oracle that sees both sides and what left them.
//
// The toy machine is deterministic in the way that matters: what it puts out depends on every input
// it was given and on the tick, so a takeover that loses or invents one is seen outside.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ftcore/protocol/planned_end.h"
#include "tests/support/pair_box.h"

namespace ftvm::ftcore::test {

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

class Pair final : public PairBox {
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
  };

  bool primary_wedged = false;           // The vCPU hangs, the rest runs.
  std::optional<EndReason> end_primary;  // At its next tick.
  [[nodiscard]] std::uint64_t outputs_made() const { return primary_guest_.outputs; }

  Oracle oracle;

  explicit Pair(const Options& options)
      : PairBox({.seed = options.seed,
                 .delay_ms = options.delay_ms,
                 .arbiter_ms = options.arbiter_ms,
                 .acks_lie = options.plant == Plant::kAckUnseen,
                 .two_winners = options.plant == Plant::kTwoWinners},
                {}, {}),
        options_(options) {
    carry_out_primary();
    carry_out_backup();
  }

 private:
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

  void run_primary_guest() override {
    receive_outputs();
    if (primary_finish || !primary_ends.empty() || primary_ended_) return;
    journal_primary();
    if (end_primary && !primary().paused()) return end_primary_guest();
    if (primary().paused() || primary_wedged) return;
    const auto ticks = static_cast<std::uint64_t>(
        std::max(1.0, static_cast<double>(options_.ticks_per_ms) * primary_duty_));
    for (std::uint64_t i = 0; i < ticks && !primary().paused(); ++i) {
      if (primary_guest_.step()) {
        const Output output = primary_guest_.output();
        primary().on_record(record_of(primary_seq_, primary_guest_.tick, Endpoint::kConsole,
                                      replay::OutputMark{Endpoint::kConsole, 16, 0}),
                            now());
        mark_of_[Oracle::number_of(output)] = primary_seq_;
        if (options_.plant == Plant::kReleaseEarly) primary_left(output);
        primary().on_output(JournalSeq{primary_seq_}, output, now());
      }
      if (const auto input = draw_input()) {
        primary().on_record(
            record_of(primary_seq_, primary_guest_.tick, Endpoint::kConsole, *input), now());
        apply(primary_guest_, *input);
      }
    }
    primary().on_progress(Tick{primary_guest_.tick}, now());
    carry_out_primary();
  }
  void primary_left(const Output& output) {
    const bool alone = primary_live != 0 || primary().role() == Role::kLone;
    const std::uint64_t mark = mark_of_.at(Oracle::number_of(output));
    const bool covered = alone || mark <= delivered_;
    if (options_.receipt_ms == 0) return oracle.left("primary", output, covered);
    if (options_.plant == Plant::kConfirmUnseen) primary().on_confirmed({mark}, now());
    leaving_.push_back({ms() + options_.receipt_ms, output, covered});
  }
  void receive_outputs() {
    while (!leaving_.empty() && leaving_.front().due_ms <= ms()) {
      const Leaving arrived = std::move(leaving_.front());
      leaving_.pop_front();
      oracle.left("primary", arrived.output, arrived.covered);
      if (options_.plant == Plant::kConfirmUnseen) continue;
      primary().on_confirmed({mark_of_.at(Oracle::number_of(arrived.output))}, now());
    }
  }
  void journal_primary() {
    for (replay::RecordBody& body : std::exchange(primary_journal_, {})) {
      primary().on_record(
          record_of(primary_seq_, primary_guest_.tick, Endpoint::kPower, std::move(body)), now());
    }
    carry_out_primary();
  }
  void end_primary_guest() {
    primary_ended_ = true;
    primary().on_record(record_of(primary_seq_, primary_guest_.tick, Endpoint::kPower,
                                  replay::End{*end_primary, {}}),
                        now());
    primary().on_end(*end_primary, now());
    carry_out_primary();
  }

  void run_backup_guest() override {
    if (backup_finish || !backup_ends.empty() || backup().paused()) return;
    if (backup_end_ && backup().role() == Role::kLone) {
      backup().on_end(*backup_end_, now());
      return carry_out_backup();
    }
    const auto ticks = static_cast<std::uint64_t>(
        std::max(1.0, static_cast<double>(options_.ticks_per_ms) * 2 * options_.backup_speed));
    for (std::uint64_t i = 0; i < ticks; ++i) {
      consume();
      if (backup().role() != Role::kLone && backup_guest_.tick == backup_limit_) break;
      if (backup_guest_.step()) backup_output();
      if (backup().role() != Role::kLone) continue;
      if (const auto input = draw_input()) {
        ++backup_seq_;
        apply(backup_guest_, *input);
      }
    }
    consume();
    if (backup().role() != Role::kLone && !lied_) {
      backup().on_executed(Tick{backup_guest_.tick}, JournalSeq{backup_seq_}, now());
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
      backup().on_drained(now());
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
      const auto* end = std::get_if<replay::End>(&record.body);
      if (end != nullptr && end_plan(end->reason) == EndPlan::kBothEnd) backup_end_ = end->reason;
      backup_seq_ = record.seq.value;
      backup_inbox_.pop_front();
    }
  }
  void backup_output() {
    Output output = backup_guest_.output();
    if (backup().role() == Role::kLone) {
      backup().on_output(JournalSeq{++backup_seq_}, std::move(output), now());
      return;
    }
    // Marks of this output: the first of this tick that was not used yet.
    for (const replay::Record& record : backup_inbox_) {
      if (std::holds_alternative<replay::OutputMark>(record.body)) {
        if (record.at.value != backup_guest_.tick) oracle.fault("backup: output without a mark");
        backup().on_output(record.seq, std::move(output), now());
        return;
      }
    }
    oracle.fault("backup: output without any mark");
  }

  // ---------------------------------------------------------------- of the box
  [[nodiscard]] Tick primary_tick() const override { return {primary_guest_.tick}; }
  [[nodiscard]] Tick backup_tick() const override { return {backup_guest_.tick}; }
  void fault(std::string what) override { oracle.fault(std::move(what)); }

  void primary_acts(Action& action) override {
    if (auto* journal = std::get_if<Journal>(&action)) {
      primary_journal_.push_back(std::move(journal->body));
    } else if (auto* release = std::get_if<Release>(&action)) {
      for (const Output& output : release->outputs) primary_left(output);
    } else if (auto* duty = std::get_if<SetDuty>(&action)) {
      primary_duty_ = duty->duty;
    }
  }
  void backup_acts(Action& action) override {
    if (auto* deliver = std::get_if<Deliver>(&action)) {
      for (replay::Record& record : deliver->records) {
        backup_limit_ = std::max(backup_limit_, record.at.value);
        delivered_ = record.seq.value;
        backup_inbox_.push_back(std::move(record));
      }
    } else if (auto* grant = std::get_if<Grant>(&action)) {
      backup_limit_ = std::max(backup_limit_, grant->tick.value);
    } else if (auto* drain = std::get_if<Drain>(&action)) {
      drain_ = *drain;
    } else if (auto* release = std::get_if<Release>(&action)) {
      for (const Output& output : release->outputs) oracle.left("backup", output, true);
    } else if (std::holds_alternative<Journal>(action)) {
      ++backup_seq_;
    }
  }

  Options options_;
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
  std::optional<EndReason> backup_end_;  // Of the journal, if the run was not handed over.
  bool lied_ = false;                    // Plant::kSkipDrain has struck.
};

}  // namespace ftvm::ftcore::test
