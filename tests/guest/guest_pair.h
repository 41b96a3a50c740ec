// A guest of the corpus as a pair: two real machines under the production worlds (LiveHalf with
// RecordingWorld, BackupWorld) and sessions, joined by the wires of tests/support/pair_box.h. A run
// is a function of its options.
//
// What it replaces is the node's thread and its sockets; those have tests/rig.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ftcore/node/backup_world.h"
#include "ftcore/node/live_half.h"
#include "replay/recording_world.h"
#include "tests/guest/corpus.h"
#include "tests/guest/guest_machine.h"
#include "tests/guest/pair_release.h"
#include "tests/guest/vcpu_side.h"
#include "tests/guest/ways_world.h"
#include "tests/support/pair_box.h"

namespace ftvm::test {

/// Who goes, and where. Records, outputs and ticks are those of the primary's machine.
struct Kill {
  enum class Where : std::uint8_t {
    kNever,
    kTick,            // It stands at this tick, and nobody was told.
    kRecordMade,      // Record `number` was appended; the session has not heard of it.
    kOutputMade,      // The mark of output `number` is in the session, the output is not.
    kOutputHeld,      // The output is held; what was sent of its mark may arrive or not.
    kOutputMayLeave,  // Its mark was acknowledged.
    kOutputLeft,      // It has left, and nothing else has happened.
    kHandOver,        // It does not die: it hands over at this tick.
    kBackup,          // The backup dies when the primary stands at this tick.
  };
  Where where = Where::kNever;
  std::uint64_t number = 0;
  bool operator==(const Kill&) const = default;

  [[nodiscard]] std::string text() const {
    constexpr const char* kNames[] = {"nobody",
                                      "the primary at tick",
                                      "the primary at record",
                                      "the primary making output",
                                      "the primary holding output",
                                      "the primary before it lets out output",
                                      "the primary behind output",
                                      "nobody, but handed over at tick",
                                      "the backup with the primary at tick"};
    return std::string("killed: ") + kNames[static_cast<std::size_t>(where)] + " " +
           std::to_string(number);
  }
};

/// Digests at every grid line that is not too near to the last.
inline constexpr std::uint32_t kPairDigestEveryLines = 1;

class GuestPair final : public ftcore::test::PairBox {
 public:
  struct Options {
    GuestMachine::Options primary, backup;
    Bytes image;
    WaysWorld::Options outside;  // Of both; slices are drawn.
    Tick length;                 // About how far the guest will run.
    std::uint64_t seed = 1;
    Kill kill{};
  };
  explicit GuestPair(Options options)
      : PairBox(wires(options.seed), {}, {}), options_(std::move(options)) {
    primary_side_.ticks_per_ms = 1 + options_.length.value / (30 + rng_.below(120));
    // A backup near to its primary, or so slow that at the takeover it has far to go yet.
    const std::uint64_t sixteenths = rng_.below(3) == 0 ? 1 : 4 + rng_.below(44);
    backup_side_.ticks_per_ms = 1 + primary_side_.ticks_per_ms * sixteenths / 16;
    primary_side_.set_paused(primary().paused());
    carry_out_primary();
    carry_out_backup();
  }
  ~GuestPair() override { let_run_off(); }

  /// To the end of everybody.
  void run_to_end() {
    const bool ended = run_until([this] { return primary_side_.over() && backup_side_.over(); });
    if (!ended) fault("stuck: a machine neither ends nor dies");
    let_run_off();
  }

  [[nodiscard]] bool was_protected() const { return delivered_ > JournalSeq{}; }

  ReleaseCheck released;
  Outcome primary_end, backup_end;  // Of those that did not die; without transcripts.
  std::string primary_note, backup_note;
  // How it was when the primary was killed.
  std::uint64_t held = 0;          // Outputs in its gate.
  std::uint64_t ticks_behind = 0;  // Of its backup.
  std::uint64_t retaken = 0;       // Console bytes it had taken, and its survivor took again.

 private:
  using Where = Kill::Where;

  class PrimarySide final : public VcpuSide {
   public:
    explicit PrimarySide(GuestPair& pair)
        : VcpuSide(pair, [&pair] { pair.primary_body(); }), pair_(pair) {}
    void on_record(const replay::Record& record) override {
      if (dead || pair_.dies(Where::kRecordMade, record.seq.value)) return;
      pair_.primary().on_record(record, pair_.now());
      pair_.carry_out_primary();
    }
    void on_output(JournalSeq mark, const Output& output) override {
      if (dead) return;
      marks.push_back(mark);
      if (pair_.dies(Where::kOutputMade, marks.size())) return;
      pair_.primary().on_output(mark, output, pair_.now());
      pair_.carry_out_primary();
      if (!dead) (void)pair_.dies(Where::kOutputHeld, marks.size());
    }
    void on_progress(Tick tick) override {
      if (dead || pair_.dies(Where::kTick, tick.value)) return;
      (void)pair_.dies(Where::kBackup, tick.value);
      pair_.primary().on_progress(tick, pair_.now());
      pair_.carry_out_primary();
      stand_at(tick);
    }
    void on_end(EndReason reason) override {
      if (dead) return;
      pair_.primary().on_end(reason, pair_.now());
      pair_.carry_out_primary();
    }
    void on_executed(Tick, JournalSeq) override { pair_.fault("a primary follows"); }
    void on_drained() override { pair_.fault("a primary drains"); }
    void on_diverged(const std::string&) override { pair_.fault("a primary diverges"); }
    void on_leave() override { pair_.fault("the primary leaves"); }

    std::vector<JournalSeq> marks;  // Of its outputs.

   private:
    GuestPair& pair_;
  };

  class BackupSide final : public VcpuSide {
   public:
    explicit BackupSide(GuestPair& pair)
        : VcpuSide(pair, [&pair] { pair.backup_body(); }), pair_(pair) {}
    void on_record(const replay::Record&) override {}
    void on_output(JournalSeq mark, const Output& output) override {
      ++made;
      tell([&](auto& session) { session.on_output(mark, output, pair_.now()); });
    }
    void on_progress(Tick tick) override { on_executed(tick, {}); }
    void on_executed(Tick tick, JournalSeq consumed) override {
      if (dead) return;
      tell([&](auto& session) { session.on_executed(tick, consumed, pair_.now()); });
      stand_at(tick);
    }
    void on_drained() override {
      tell([&](auto& session) { session.on_drained(pair_.now()); });
    }
    void on_diverged(const std::string& text) override {
      pair_.fault("the backup diverged: " + text);
      tell([&](auto& session) { session.on_diverged(text, pair_.now()); });
    }
    void on_end(EndReason reason) override {
      tell([&](auto& session) { session.on_end(reason, pair_.now()); });
    }
    void on_leave() override { pair_.fault("the backup leaves"); }

    std::uint64_t made = 0;  // Outputs that were given to the session.

   private:
    template <class Call>
    void tell(Call call) {
      if (dead) return;
      call(pair_.backup());
      pair_.carry_out_backup();
    }
    GuestPair& pair_;
  };

  static Wires wires(std::uint64_t seed) {
    Prng random = Prng(seed).fork("wires");
    return {.seed = seed,
            .delay_ms = static_cast<std::int64_t>(random.below(8)),
            .arbiter_ms = static_cast<std::int64_t>(random.below(8))};
  }

  /// True when the victim died just now.
  bool dies(Where where, std::uint64_t number) {
    const Kill& kill = options_.kill;
    const bool by_tick = where == Where::kTick || where == Where::kBackup;
    const bool here = by_tick ? number >= kill.number : number == kill.number;
    if (where != kill.where || !here || backup_dead) return false;
    if (where == Where::kBackup) {
      backup_side_.dead = true;
      kill_backup();
      return true;
    }
    held = primary().metrics().gate.held;
    ticks_behind = primary_side_.at().value - std::min(primary_side_.at(), backup_side_.at()).value;
    input_at_death_ = primary_outside_->input_offset();
    primary_side_.dead = true;
    kill_primary();
    return true;
  }

  // ---------------------------------------------------------------- the machines
  WaysWorld::Options outside(std::string_view side) const {
    WaysWorld::Options options = options_.outside;
    Prng random = Prng(options_.seed).fork(side);
    // From one slice in a few milliseconds to many in each.
    options.slice_ticks_max = 1 + options_.length.value / (20 + random.below(200));
    options.seed = random.next();
    return options;
  }
  void primary_body() {
    GuestMachine machine(options_.primary, options_.image);
    WaysWorld::Options in = outside("primary");
    if (options_.kill.where == Where::kTick) in.visit = Tick{options_.kill.number};
    if (options_.kill.where == Where::kHandOver) in.hand_over = Tick{options_.kill.number};
    WaysWorld outside(std::move(in));
    primary_outside_ = &outside;
    ftcore::LiveHalf half(outside, primary_side_);
    ftcore::RecordTee tee(primary_side_, nullptr);
    replay::RecordingWorld world(half, tee, {.digest_every_lines = kPairDigestEveryLines});
    half.set_recording(world);
    const RunResult result = machine.run(world);
    primary_end = outcome(machine, result, {});
    primary_note = half.note();
    while (primary_note.empty()) {  // As the command does: stay until the protocol says so.
      const ftcore::Orders orders = primary_side_.take_orders();
      if (orders.halted) primary_note = *orders.halted;
      if (orders.finished) break;
      primary_side_.wait_for_orders();
    }
  }
  void backup_body() {
    GuestMachine machine(options_.backup, options_.image);
    WaysWorld::Options in = outside("backup");
    const std::uint64_t slice_ticks = in.slice_ticks_max;
    WaysWorld outside(std::move(in));
    ftcore::BackupWorld world(
        {.digest_every_lines = kPairDigestEveryLines,
         .slice_ticks = slice_ticks,
         .on_live =
             [this](Epoch, std::uint64_t next_input) {
               retaken = input_at_death_ - std::min(input_at_death_, next_input);
             },
         .on_console = [this](std::uint64_t offset,
                              ByteView bytes) { released.backup_publishes(offset, bytes); }},
        outside, backup_side_);
    const RunResult result = machine.run(world);
    world.finish(result.at, result.reason, result.state);
    backup_end = outcome(machine, result, {});
    backup_note = world.note();
  }
  void let_run_off() {
    primary_side_.let_run_off();
    backup_side_.let_run_off();
  }

  // ---------------------------------------------------------------- of the box
  void run_primary_guest() override {
    primary_side_.run();
    // The receivers confirm what they were given, now and then.
    if (primary_dead || released.by_primary == 0 || rng_.below(4) != 0) return;
    primary().on_confirmed(primary_side_.marks.at(released.by_primary - 1), now());
  }
  void run_backup_guest() override { backup_side_.run(); }
  [[nodiscard]] Tick primary_tick() const override { return primary_side_.at(); }
  [[nodiscard]] Tick backup_tick() const override { return backup_side_.at(); }
  [[nodiscard]] bool primary_idle() const override { return primary_side_.idle(); }
  [[nodiscard]] bool backup_idle() const override { return backup_side_.idle(); }
  void fault(std::string what) override { released.fault(std::move(what)); }

  void primary_acts(ftcore::Action& action) override {
    const auto* release = std::get_if<ftcore::Release>(&action);
    if (release == nullptr) return primary_side_.act(action);
    for (const Output& output : release->outputs) {
      const std::uint64_t number = released.by_primary + 1;
      if (dies(Where::kOutputMayLeave, number)) return;
      const bool covered = primary_live != 0 || primary_side_.marks.at(number - 1) <= delivered_;
      released.primary(output, covered);
      if (dies(Where::kOutputLeft, number)) return;
    }
  }
  void backup_acts(ftcore::Action& action) override {
    if (const auto* release = std::get_if<ftcore::Release>(&action)) {
      return released.backup(release->outputs, backup_side_.made);
    }
    if (const auto* deliver = std::get_if<ftcore::Deliver>(&action)) {
      delivered_ = deliver->records.back().seq;
    } else if (std::holds_alternative<ftcore::GoLive>(action)) {
      released.backup_goes_live(backup_side_.made);
    }
    backup_side_.act(action);
  }

  Options options_;
  JournalSeq delivered_;  // Last record in the backup's memory.
  const WaysWorld* primary_outside_ = nullptr;
  std::uint64_t input_at_death_ = 0;  // Console offset.
  PrimarySide primary_side_{*this};
  BackupSide backup_side_{*this};
};

}  // namespace ftvm::test
