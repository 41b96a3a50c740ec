// Recording a run and replaying it, with a toy machine under a random outside.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "replay/recording_world.h"
#include "replay/replaying_world.h"
#include "tests/support/toy_machine.h"
#include "tests/unit/replay/replay_test_util.h"

namespace ftvm::replay {
namespace {

using test::ToyMachine;
using test::ToyOutside;

constexpr Tick kStop{kGridTicks * 40};
constexpr std::uint32_t kEveryLines = 2;
constexpr std::uint64_t kSeeds = 100;

struct Recording {
  std::vector<Record> records;
  std::vector<Output> outputs;
  ToyMachine::Result result{};
};

Recording record(std::uint64_t seed, VectorSink sink = {}, Tick power_off = Tick::never()) {
  ToyOutside outside(seed ^ 0x5555, kStop);
  RecordingWorld world(outside, sink, {.last_seq = {}, .digest_every_lines = kEveryLines});
  ToyMachine machine({.seed = seed, .power_off = power_off});
  Recording out;
  out.result = machine.run(world);
  out.records = sink.records;
  out.outputs = outside.outputs;
  EXPECT_EQ(outside.ends, 1);
  return out;
}

struct Replay {
  std::vector<Output> outputs;
  ToyMachine::Result result{};
  std::optional<Divergence> divergence;
};

Replay replay(const std::vector<Record>& records, ToyMachine::Options options) {
  VectorSource source(records);
  Replay out;
  ReplayingWorld world(source,
                       {.last_seq = {},
                        .start = {},
                        .digest_every_lines = kEveryLines,
                        .on_output = [&out](const Output& o) { out.outputs.push_back(o); }});
  ToyMachine machine(options);
  out.result = machine.run(world);
  out.divergence = world.divergence();
  EXPECT_TRUE(world.source_status());
  return out;
}

template <class Body>
std::size_t count(const std::vector<Record>& records) {
  return static_cast<std::size_t>(
      std::count_if(records.begin(), records.end(),
                    [](const Record& one) { return std::holds_alternative<Body>(one.body); }));
}

TEST(Recording, NumbersRecordsFromOneAndEndsWithAnEnd) {
  const Recording run = record(1);
  for (std::size_t i = 0; i < run.records.size(); ++i) {
    EXPECT_EQ(run.records[i].seq.value, i + 1);
    if (i > 0) {
      EXPECT_GE(run.records[i].at, run.records[i - 1].at);
    }
  }
  const End end = std::get<End>(run.records.back().body);
  EXPECT_EQ(end.reason, EndReason::kStopped);
  EXPECT_EQ(end.state, run.result.state);
  EXPECT_EQ(count<OutputMark>(run.records), run.outputs.size());
  EXPECT_GE(count<DigestMark>(run.records), 5u);
  EXPECT_GE(count<ConsoleBytes>(run.records), 5u);
}

TEST(Replaying, ComesToTheSameStateAndOutputsForManySeeds) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    const Recording run = record(seed);
    const Replay again = replay(run.records, {.seed = seed});
    ASSERT_FALSE(again.divergence) << again.divergence->text();
    EXPECT_EQ(again.result.reason, EndReason::kJournalEnd);
    EXPECT_EQ(again.result.at, run.result.at);
    EXPECT_EQ(again.result.state, run.result.state);
    EXPECT_EQ(again.outputs, run.outputs);
  }
}

TEST(Replaying, EndsByItselfWhereTheGuestPoweredOff) {
  const Tick power_off{kGridTicks * 9};
  const Recording run = record(3, {}, power_off);
  ASSERT_EQ(run.result.reason, EndReason::kPowerOff);
  const Replay again = replay(run.records, {.seed = 3, .power_off = power_off});
  EXPECT_FALSE(again.divergence);
  EXPECT_EQ(again.result.reason, EndReason::kPowerOff);
  EXPECT_EQ(again.result.state, run.result.state);
}

TEST(Replaying, SeesAGuestThatDoesNotPowerOff) {
  const Recording run = record(3, {}, Tick{kGridTicks * 9});
  const Replay again = replay(run.records, {.seed = 3});
  ASSERT_TRUE(again.divergence);
  EXPECT_EQ(again.result.reason, EndReason::kDiverged);
  EXPECT_EQ(again.divergence->kind, DivergenceKind::kEndDiffers);
}

TEST(Replaying, SeesAGuestThatPowersOffTooEarly) {
  const Recording run = record(3);
  const Replay again = replay(run.records, {.seed = 3, .power_off = Tick{kGridTicks * 9}});
  ASSERT_TRUE(again.divergence);
  EXPECT_EQ(again.divergence->kind, DivergenceKind::kEndDiffers);
}

TEST(Replaying, StopsAtTheLastRecordOfAJournalThatWasCut) {
  const Recording run = record(5);
  for (std::size_t keep = 0; keep < run.records.size(); ++keep) {
    std::vector<Record> cut(run.records.begin(),
                            run.records.begin() + static_cast<std::ptrdiff_t>(keep));
    const Replay again = replay(cut, {.seed = 5});
    ASSERT_FALSE(again.divergence) << keep << ": " << again.divergence->text();
    EXPECT_EQ(again.result.reason, EndReason::kJournalEnd);
    EXPECT_EQ(again.result.at, cut.empty() ? Tick{} : cut.back().at);
    EXPECT_EQ(again.outputs.size(), count<OutputMark>(cut));
  }
}

TEST(Replaying, SeesEachPlantedFaultAtItsPlace) {
  using Fault = ToyMachine::Fault;
  const Tick from{kGridTicks * 20};
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Recording run = record(seed);
    const auto first = std::find_if(run.records.begin(), run.records.end(), [&](const Record& one) {
      return one.at >= from && std::holds_alternative<OutputMark>(one.body);
    });
    ASSERT_NE(first, run.records.end());
    for (const Fault fault : {Fault::kOtherByte, Fault::kLessOutput, Fault::kMoreOutput,
                              Fault::kLaterOutput, Fault::kOtherState}) {
      SCOPED_TRACE(static_cast<int>(fault));
      const Replay again = replay(run.records, {.seed = seed, .fault = fault, .fault_from = from});
      ASSERT_TRUE(again.divergence);
      EXPECT_EQ(again.result.reason, EndReason::kDiverged);
      const Divergence& seen = *again.divergence;
      if (fault == Fault::kOtherByte || fault == Fault::kLaterOutput) {
        EXPECT_EQ(seen.kind, DivergenceKind::kOutputDiffers);
        EXPECT_EQ(seen.seq, first->seq);
        EXPECT_EQ(seen.at_expected, first->at);
        EXPECT_NE(seen.expected + std::to_string(seen.at_expected.value),
                  seen.actual + std::to_string(seen.at_seen.value));
      }
      EXPECT_NE(seen.text().find("at tick"), std::string::npos);
      EXPECT_EQ(seen.json().front(), '{');
    }
  }
}

TEST(Replaying, SeesAStateThatDiffersInADigestAlone) {
  Recording run = record(2);
  const auto mark = std::find_if(run.records.begin(), run.records.end(), [](const Record& one) {
    return std::holds_alternative<DigestMark>(one.body);
  });
  ASSERT_NE(mark, run.records.end());
  std::get<DigestMark>(mark->body).digest.words[1] ^= 1;
  const Replay again = replay(run.records, {.seed = 2});
  ASSERT_TRUE(again.divergence);
  EXPECT_EQ(again.divergence->kind, DivergenceKind::kDigestDiffers);
  EXPECT_EQ(again.divergence->seq, mark->seq);
}

TEST(Replaying, SeesAFinalStateThatDiffers) {
  Recording run = record(2);
  std::get<End>(run.records.back().body).state.words[0] ^= 1;
  const Replay again = replay(run.records, {.seed = 2});
  ASSERT_TRUE(again.divergence);
  EXPECT_EQ(again.divergence->kind, DivergenceKind::kEndDiffers);
}

TEST(Recording, EndsWithDiskFullWhereTheSinkRefusesAndTheJournalIsTrueUpToThere) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const std::size_t whole = record(seed).records.size();
    for (std::size_t room = 0; room < whole; ++room) {
      SCOPED_TRACE(room);
      VectorSink sink;
      sink.room = room;
      const Recording run = record(seed, sink);
      if (room + 1 < whole) {
        EXPECT_EQ(run.result.reason, EndReason::kDiskFull);
      }
      EXPECT_EQ(run.records.size(), room);
      // No output left without its mark being taken.
      EXPECT_EQ(run.outputs.size(), count<OutputMark>(run.records));
      const Replay again = replay(run.records, {.seed = seed});
      ASSERT_FALSE(again.divergence) << again.divergence->text();
      EXPECT_EQ(again.outputs, run.outputs);
    }
  }
}

/// Refuses one record, as a disk does on which an End has its room reserved.
class OneRefusal final : public RecordSink {
 public:
  explicit OneRefusal(std::size_t at) : at_(at) {}
  Status append(const Record& record) override {
    if (records.size() == at_ && !refused) {
      refused = record;
      return Error(ErrorCode::kNoSpace, "full");
    }
    records.push_back(record);
    return {};
  }
  std::vector<Record> records;
  std::optional<Record> refused;

 private:
  std::size_t at_;
};

TEST(Recording, WritesAnEndAfterARefusalOnlyIfNothingIsMissingBeforeIt) {
  for (std::size_t at = 0; at < 150; ++at) {
    SCOPED_TRACE(at);
    OneRefusal sink(at);
    ToyOutside outside(77, kStop);
    RecordingWorld world(outside, sink, {.last_seq = {}, .digest_every_lines = kEveryLines});
    ToyMachine machine({.seed = 8});
    const ToyMachine::Result result = machine.run(world);
    ASSERT_TRUE(sink.refused);
    ASSERT_TRUE(world.error());
    EXPECT_EQ(result.reason, EndReason::kDiskFull);
    const bool ended =
        !sink.records.empty() && std::holds_alternative<End>(sink.records.back().body);
    if (!is_input(*sink.refused)) {
      EXPECT_FALSE(ended);
    }
    const Replay again = replay(sink.records, {.seed = 8});
    ASSERT_FALSE(again.divergence) << again.divergence->text();
    if (ended) {
      EXPECT_EQ(again.result.state, result.state);
    }
  }
}

TEST(Recording, EndsAsStoppedWhenTheSinkFailsForAnotherReason) {
  VectorSink sink;
  sink.room = 5;
  sink.refusal = ErrorCode::kIo;
  EXPECT_EQ(record(1, sink).result.reason, EndReason::kStopped);
}

}  // namespace
}  // namespace ftvm::replay
