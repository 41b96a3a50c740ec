// The output rule by itself. That the sessions use it rightly is pair_test.cc.
#include "ftcore/protocol/output_gate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "emulator/base/mark.h"
#include "emulator/base/prng.h"

namespace ftvm::ftcore {
namespace {

Output output(std::uint8_t byte, std::size_t size = 1) {
  return {.at = Tick{byte}, .endpoint = Endpoint::kConsole, .bytes = Bytes(size, byte)};
}
std::vector<int> bytes_of(const std::vector<Output>& outputs) {
  std::vector<int> bytes(outputs.size());
  std::transform(outputs.begin(), outputs.end(), bytes.begin(),
                 [](const Output& out) { return out.bytes.at(0); });
  return bytes;
}
using Seen = std::vector<int>;

TEST(OutputGate, HoldsAFrameUntilItsMarkIsAcknowledged) {
  OutputGate gate(GateMode::kClosed);
  gate.hold({5}, output(5));
  gate.hold({7}, output(7));
  EXPECT_EQ(bytes_of(gate.take_releasable()), Seen{});
  gate.acknowledge({4});
  EXPECT_EQ(bytes_of(gate.take_releasable()), Seen{});
  gate.acknowledge({5});
  EXPECT_EQ(bytes_of(gate.take_releasable()), Seen{5});
  gate.acknowledge({6});
  EXPECT_EQ(bytes_of(gate.take_releasable()), Seen{});
  gate.acknowledge({100});
  EXPECT_EQ(bytes_of(gate.take_releasable()), Seen{7});
  EXPECT_EQ(bytes_of(gate.take_releasable()), Seen{});
}

TEST(OutputGate, LetsOutWhatWasAcknowledgedBeforeItArrived) {
  OutputGate gate(GateMode::kClosed);
  gate.acknowledge({9});
  gate.hold({9}, output(9));
  EXPECT_EQ(bytes_of(gate.take_releasable()), Seen{9});
}

TEST(OutputGate, OpenHoldsNothing) {
  OutputGate gate(GateMode::kOpen);
  gate.hold({1}, output(1));
  EXPECT_EQ(bytes_of(gate.take_releasable()), Seen{1});
}

TEST(OutputGate, ShutKeepsEvenWhatWasAcknowledged) {
  OutputGate gate(GateMode::kClosed);
  gate.hold({1}, output(1));
  gate.acknowledge({1});
  gate.set_mode(GateMode::kShut);
  EXPECT_EQ(bytes_of(gate.take_releasable()), Seen{});
  gate.hold({2}, output(2));
  gate.set_mode(GateMode::kOpen);
  EXPECT_EQ(bytes_of(gate.take_releasable()), (Seen{1, 2})) << "re-issued, in order";
}

TEST(OutputGate, DroppedIsForEver) {
  OutputGate gate(GateMode::kShut);
  gate.hold({1}, output(1));
  gate.set_mode(GateMode::kDropped);
  gate.hold({2}, output(2));
  EXPECT_EQ(bytes_of(gate.take_releasable()), Seen{});
  EXPECT_EQ(gate.counters().dropped, 2u);
  EXPECT_EQ(gate.counters().held_bytes, 0u);
  EXPECT_DEATH(gate.set_mode(GateMode::kOpen), "assertion");
}

TEST(OutputGate, CountsWhatItHolds) {
  OutputGate gate(GateMode::kClosed);
  gate.hold({1}, output(1, 100));
  gate.hold({2}, output(2, 50));
  EXPECT_EQ(gate.counters().held, 2u);
  EXPECT_EQ(gate.counters().held_bytes, 150 + 2 * OutputGate::kOutputOverheadBytes);
  gate.acknowledge({1});
  gate.take_releasable();
  EXPECT_EQ(gate.counters().held, 1u);
  EXPECT_EQ(gate.counters().held_bytes, 50 + OutputGate::kOutputOverheadBytes);
  EXPECT_EQ(gate.counters().held_bytes_max, 150 + 2 * OutputGate::kOutputOverheadBytes);
  EXPECT_EQ(gate.counters().released, 1u);
}

TEST(OutputGate, ABackupForgetsWhatIsConfirmedAndTheOldestBeyondItsLimit) {
  OutputGate gate(GateMode::kShut);
  for (std::uint8_t i = 1; i <= 6; ++i) gate.hold({i}, output(i));
  gate.forget({2});
  gate.forget_beyond(2 * (1 + OutputGate::kOutputOverheadBytes));
  EXPECT_EQ(gate.counters().forgotten, 4u);
  gate.set_mode(GateMode::kOpen);
  EXPECT_EQ(bytes_of(gate.take_releasable()), (Seen{5, 6}));
}

TEST(OutputGate, RefusesToBeMisused) {
  OutputGate closed(GateMode::kClosed);
  closed.hold({3}, output(3));
  closed.acknowledge({2});
  EXPECT_DEATH(closed.hold({3}, output(3)), "assertion");
  EXPECT_DEATH(closed.acknowledge({1}), "assertion");
  EXPECT_DEATH(closed.forget_beyond(0), "assertion") << "what waits for an ack is never forgotten";
  EXPECT_DEATH(closed.forget({3}), "assertion");
  OutputGate shut(GateMode::kShut);
  EXPECT_DEATH(shut.acknowledge({1}), "assertion") << "the backup was given up";
}

TEST(OutputGate, MarksWhereAHeldOutputWaits) {
  const std::uint64_t before = mark_counts()["gate.held"];
  OutputGate gate(GateMode::kClosed);
  gate.hold({1}, output(1));
  EXPECT_EQ(mark_counts()["gate.held"], before + 1);
}

TEST(OutputGate, NeverReleasesEarlyWhateverTheOrderOfEvents) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Prng rng(seed);
    OutputGate gate(GateMode::kClosed);
    std::uint64_t mark = 0, accepted = 0, last_out = 0;
    for (int i = 0; i < 200; ++i) {
      switch (rng.below(4)) {
        case 0:
          mark += 1 + rng.below(3);
          gate.hold({mark}, {.at = Tick{mark}, .endpoint = Endpoint::kNet0, .bytes = {}});
          break;
        case 1:
          accepted += rng.below(4);
          if (gate.mode() == GateMode::kClosed) gate.acknowledge({accepted});
          break;
        case 2:
          gate.set_mode(rng.chance(1, 3) ? GateMode::kShut : GateMode::kClosed);
          break;
        default:
          for (const Output& out : gate.take_releasable()) {
            ASSERT_EQ(gate.mode(), GateMode::kClosed) << "seed " << seed;
            ASSERT_LE(out.at.value, gate.acknowledged().value) << "seed " << seed;
            ASSERT_GT(out.at.value, last_out) << "seed " << seed;
            last_out = out.at.value;
          }
      }
    }
  }
}

}  // namespace
}  // namespace ftvm::ftcore
