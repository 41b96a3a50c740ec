// The cursor by itself, and under a machine whose journal arrives bit by bit, as a backup's does.
#include "replay/replay_cursor.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "replay/recording_world.h"
#include "tests/support/toy_machine.h"
#include "tests/unit/replay/replay_test_util.h"

namespace ftvm::replay {
namespace {

using test::ToyMachine;
using test::ToyOutside;
using test::ToyRandom;

constexpr std::uint32_t kEveryLines = 2;

Output output(std::uint64_t at, Bytes bytes = {'x'}) {
  return Output{Tick{at}, Endpoint::kConsole, std::move(bytes)};
}
Record mark(std::uint64_t seq, std::uint64_t at, const Bytes& bytes = {'x'}) {
  const auto length = static_cast<std::uint32_t>(bytes.size());
  return {{seq},
          {at},
          Endpoint::kConsole,
          OutputMark{Endpoint::kConsole, length, short_digest_of(bytes)}};
}
Record input(std::uint64_t seq, std::uint64_t at) {
  return {{seq}, {at}, Endpoint::kNet0, NetFrame{{1, 2, 3}}};
}

TEST(ReplayCursor, LetsTheMachineRunToTheNextInputAndNoFurther) {
  ReplayCursor cursor({});
  EXPECT_TRUE(cursor.take_inputs({0}).empty());
  EXPECT_EQ(cursor.horizon({0}), Tick{0});
  ASSERT_TRUE(cursor.push(input(1, 50)));
  ASSERT_TRUE(cursor.push(input(2, 80)));
  EXPECT_EQ(cursor.horizon({0}), Tick{50});
  EXPECT_TRUE(cursor.take_inputs({30}).empty());
  EXPECT_EQ(cursor.horizon({30}), Tick{50});
  EXPECT_EQ(cursor.take_inputs({50}).size(), 1u);
  EXPECT_EQ(cursor.horizon({50}), Tick{80});
  cursor.grant({100});
  EXPECT_EQ(cursor.horizon({50}), Tick{80});
  EXPECT_EQ(cursor.take_inputs({80}).size(), 1u);
  EXPECT_EQ(cursor.horizon({80}), Tick{100});
}

TEST(ReplayCursor, ComparesAnOutputWithAMarkThatCameBeforeOrAfterIt) {
  ReplayCursor cursor({});
  ASSERT_TRUE(cursor.push(mark(1, 10)));
  EXPECT_EQ(cursor.on_output(output(10)), ReplayCursor::Verdict::kSame);
  cursor.grant({20});
  EXPECT_EQ(cursor.on_output(output(20)), ReplayCursor::Verdict::kPending);
  ASSERT_TRUE(cursor.push(mark(2, 20)));
  EXPECT_FALSE(cursor.divergence());
  EXPECT_EQ(cursor.done_seq(), JournalSeq{2});
}

TEST(ReplayCursor, SeesADifferenceInAMarkThatComesAfterTheOutput) {
  ReplayCursor cursor({});
  cursor.grant({20});
  EXPECT_EQ(cursor.on_output(output(20)), ReplayCursor::Verdict::kPending);
  ASSERT_TRUE(cursor.push(mark(1, 20, {'y'})));
  ASSERT_TRUE(cursor.divergence());
  EXPECT_EQ(cursor.divergence()->kind, DivergenceKind::kOutputDiffers);
}

TEST(ReplayCursor, SeesAnOutputThatTheJournalHasGonePast) {
  for (const bool by_grant : {true, false}) {
    ReplayCursor cursor({});
    cursor.grant({20});
    (void)cursor.on_output(output(20));
    if (by_grant) {
      cursor.grant({21});
    } else {
      ASSERT_TRUE(cursor.push(input(1, 21)));
    }
    ASSERT_TRUE(cursor.divergence());
    EXPECT_EQ(cursor.divergence()->kind, DivergenceKind::kOutputUnexpected);
    EXPECT_EQ(cursor.divergence()->at_seen, Tick{20});
    EXPECT_EQ(cursor.divergence()->expected, "nothing");
  }
}

TEST(ReplayCursor, SeesAtOnceAnOutputThatNoRecordCanMatchAnyMore) {
  ReplayCursor cursor({});
  cursor.grant({20});
  EXPECT_EQ(cursor.on_output(output(19)), ReplayCursor::Verdict::kDiverged);
}

TEST(ReplayCursor, SeesAnOutputThatIsMissing) {
  ReplayCursor cursor({});
  ASSERT_TRUE(cursor.push(mark(1, 10)));
  cursor.grant({100});
  (void)cursor.take_inputs({10});
  EXPECT_EQ(cursor.horizon({10}), Tick{10});
  ASSERT_TRUE(cursor.divergence());
  EXPECT_EQ(cursor.divergence()->kind, DivergenceKind::kOutputMissing);
  EXPECT_EQ(cursor.divergence()->text(),
            "output_missing at record 1: journal has [console, 1 bytes, hash " +
                cursor.divergence()->expected.substr(23) +
                "] at tick 10, the machine has [nothing] at tick 10");
  EndReason reason{};
  EXPECT_TRUE(cursor.should_end({10}, &reason));
  EXPECT_EQ(reason, EndReason::kDiverged);
}

TEST(ReplayCursor, WaitsForTheInputThatExplainsAMarkOfTheSameTick) {
  ReplayCursor cursor({});
  cursor.grant({10});
  (void)cursor.take_inputs({10});
  ASSERT_TRUE(cursor.push(input(1, 10)));
  ASSERT_TRUE(cursor.push(mark(2, 10)));
  ASSERT_TRUE(cursor.push(input(3, 30)));
  EXPECT_EQ(cursor.horizon({10}), Tick{10});
  EXPECT_EQ(cursor.take_inputs({10}).size(), 1u);
  EXPECT_EQ(cursor.on_output(output(10)), ReplayCursor::Verdict::kSame);
  EXPECT_EQ(cursor.horizon({10}), Tick{30});
  EXPECT_FALSE(cursor.divergence());
}

TEST(ReplayCursor, SeesAnInputThatComesTooLate) {
  ReplayCursor cursor({});
  cursor.grant({10});
  (void)cursor.take_inputs({10});
  ASSERT_TRUE(cursor.push(input(1, 9)));
  ASSERT_TRUE(cursor.divergence());
  EXPECT_EQ(cursor.divergence()->kind, DivergenceKind::kInputMissed);
}

TEST(ReplayCursor, RefusesGapsStepsBackAndWhatFollowsTheEnd) {
  ReplayCursor cursor({.last_seq = {5}});
  EXPECT_EQ(cursor.push(input(5, 1)).error().code(), ErrorCode::kBadData);
  EXPECT_EQ(cursor.push(input(7, 1)).error().code(), ErrorCode::kBadData);
  ASSERT_TRUE(cursor.push(input(6, 10)));
  EXPECT_EQ(cursor.push(input(7, 9)).error().code(), ErrorCode::kBadData);
  ASSERT_TRUE(cursor.push({{7}, {10}, Endpoint::kPower, End{EndReason::kStopped, {}}}));
  EXPECT_EQ(cursor.push(input(8, 10)).error().code(), ErrorCode::kBadData);
}

TEST(ReplayCursor, IsFullByRecordsAndByBytes) {
  ReplayCursor by_count({.records_max = 2});
  ASSERT_TRUE(by_count.push(input(1, 1)));
  EXPECT_FALSE(by_count.full());
  ASSERT_TRUE(by_count.push(mark(2, 1)));
  EXPECT_TRUE(by_count.full());
  ReplayCursor by_bytes({.bytes_max = 6});
  ASSERT_TRUE(by_bytes.push(input(1, 1)));
  EXPECT_FALSE(by_bytes.full());
  ASSERT_TRUE(by_bytes.push(input(2, 1)));
  EXPECT_TRUE(by_bytes.full());
  EXPECT_EQ(by_bytes.take_inputs({1}).size(), 2u);
  EXPECT_FALSE(by_bytes.full());
}

TEST(ReplayCursor, KnowsWhatIsDone) {
  ReplayCursor cursor({});
  ASSERT_TRUE(cursor.push({{1}, {0}, Endpoint::kPower, Protected{{1}}}));
  EXPECT_EQ(cursor.done_seq(), JournalSeq{1});
  ASSERT_TRUE(cursor.push(mark(2, 10)));
  ASSERT_TRUE(cursor.push(input(3, 10)));
  EXPECT_EQ(cursor.done_seq(), JournalSeq{1});
  (void)cursor.on_output(output(10));
  EXPECT_EQ(cursor.done_seq(), JournalSeq{2});
  (void)cursor.take_inputs({10});
  EXPECT_EQ(cursor.done_seq(), JournalSeq{3});
}

// --- A journal that arrives over time.

using Event = std::variant<Record, Tick>;  // A record, or a stop of the primary.

class EventSink final : public RecordSink {
 public:
  explicit EventSink(std::vector<Event>& events) : events_(events) {}
  Status append(const Record& record) override {
    events_.emplace_back(record);
    return {};
  }

 private:
  std::vector<Event>& events_;
};

class StoppingOutside final : public World {
 public:
  StoppingOutside(std::vector<Event>& events, std::uint64_t seed, Tick stop)
      : events_(events), outside_(seed, stop) {}
  Tick horizon(Tick now) override { return outside_.horizon(now); }
  std::vector<Input> take_inputs(Tick now, GuestTime time, InputRoom room) override {
    return outside_.take_inputs(now, time, room);
  }
  Tick wait(Tick now, GuestTime time, Tick due) override { return outside_.wait(now, time, due); }
  void grid_line(Tick, std::uint64_t, StateProbe&) override {}
  void emit(Output out) override { outside_.emit(std::move(out)); }
  bool should_end(Tick now, EndReason* reason) override {
    events_.emplace_back(now);
    return outside_.should_end(now, reason);
  }
  void end(Tick, EndReason, const Digest&) override {}

 private:
  std::vector<Event>& events_;
  ToyOutside outside_;
};

/// Follows a journal of which a little arrives every now and then.
class TrickleWorld final : public World {
 public:
  TrickleWorld(const std::vector<Event>& events, std::uint64_t seed)
      : events_(events), random_(seed), cursor_({.digest_every_lines = kEveryLines}) {}

  Tick horizon(Tick now) override {
    arrive(random_.below(3));
    return slice(now, cursor_.horizon(now));
  }
  std::vector<Input> take_inputs(Tick now, GuestTime, InputRoom) override {
    arrive(random_.below(3));
    return cursor_.take_inputs(now);
  }
  Tick wait(Tick now, GuestTime, Tick due) override {
    arrive(1 + random_.below(3));
    return slice(now, cursor_.wait_until(now, due));
  }
  void grid_line(Tick now, std::uint64_t line, StateProbe& probe) override {
    cursor_.on_grid_line(now, line, probe);
  }
  void emit(Output out) override { ++verdicts[static_cast<int>(cursor_.on_output(out))]; }
  bool should_end(Tick now, EndReason* reason) override { return cursor_.should_end(now, reason); }
  void end(Tick now, EndReason reason, const Digest& state) override {
    cursor_.on_end(now, reason, state);
    arrive(events_.size());
  }
  [[nodiscard]] const ReplayCursor& cursor() const { return cursor_; }

  int verdicts[3] = {};

 private:
  /// Stops where the primary did not: a backup reports how far it is.
  Tick slice(Tick now, Tick upto) {
    if (random_.one_in(2)) return upto;
    return std::min(upto, now.plus(1 + random_.below(kGridTicks / 2)));
  }
  void arrive(std::uint64_t count) {
    for (; count > 0 && at_ < events_.size() && !cursor_.full(); --count, ++at_) {
      if (const auto* stop = std::get_if<Tick>(&events_[at_])) {
        cursor_.grant(*stop);
      } else {
        EXPECT_TRUE(cursor_.push(std::get<Record>(events_[at_])));
      }
    }
    if (at_ == events_.size()) cursor_.close();
  }

  const std::vector<Event>& events_;
  std::size_t at_ = 0;
  ToyRandom random_;
  ReplayCursor cursor_;
};

std::vector<Event> record_events(std::uint64_t seed, ToyMachine::Result* result,
                                 Tick power_off = Tick::never()) {
  std::vector<Event> events;
  EventSink sink(events);
  StoppingOutside outside(events, seed * 31, Tick{kGridTicks * 30});
  RecordingWorld world(outside, sink, {.digest_every_lines = kEveryLines});
  ToyMachine machine({.seed = seed, .power_off = power_off});
  *result = machine.run(world);
  return events;
}

TEST(ReplayCursorOverTime, FollowsAPrimaryWhateverArrivesWhen) {
  int verdicts[3] = {};
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    const Tick power_off = seed % 3 == 0 ? Tick{kGridTicks * 15} : Tick::never();
    ToyMachine::Result primary{};
    const std::vector<Event> events = record_events(seed, &primary, power_off);
    TrickleWorld world(events, seed);
    ToyMachine backup({.seed = seed, .power_off = power_off});
    const ToyMachine::Result result = backup.run(world);
    ASSERT_FALSE(world.cursor().divergence()) << world.cursor().divergence()->text();
    EXPECT_EQ(result.at, primary.at);
    EXPECT_EQ(result.state, primary.state);
    EXPECT_EQ(world.cursor().done_seq(), world.cursor().last_seq());
    for (int i = 0; i < 3; ++i) verdicts[i] += world.verdicts[i];
  }
  EXPECT_GT(verdicts[static_cast<int>(ReplayCursor::Verdict::kSame)], 1000);
  EXPECT_GT(verdicts[static_cast<int>(ReplayCursor::Verdict::kPending)], 50);
  EXPECT_EQ(verdicts[static_cast<int>(ReplayCursor::Verdict::kDiverged)], 0);
}

TEST(ReplayCursorOverTime, SeesEveryPlantedFault) {
  using Fault = ToyMachine::Fault;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    for (const Fault fault : {Fault::kOtherByte, Fault::kLessOutput, Fault::kMoreOutput,
                              Fault::kLaterOutput, Fault::kOtherState}) {
      ToyMachine::Result primary{};
      const std::vector<Event> events = record_events(seed, &primary);
      TrickleWorld world(events, seed);
      ToyMachine backup({.seed = seed, .fault = fault, .fault_from = Tick{kGridTicks * 10}});
      (void)backup.run(world);
      EXPECT_TRUE(world.cursor().divergence()) << seed << " " << static_cast<int>(fault);
    }
  }
}

TEST(ReplayCursorOverTime, EndsWhereACutJournalEnds) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    ToyMachine::Result primary{};
    std::vector<Event> events = record_events(seed, &primary);
    events.resize(events.size() / 2);
    TrickleWorld world(events, seed);
    ToyMachine backup({.seed = seed});
    const ToyMachine::Result result = backup.run(world);
    ASSERT_FALSE(world.cursor().divergence()) << world.cursor().divergence()->text();
    EXPECT_EQ(result.reason, EndReason::kJournalEnd);
    EXPECT_EQ(result.at, world.cursor().granted());
  }
}

}  // namespace
}  // namespace ftvm::replay
