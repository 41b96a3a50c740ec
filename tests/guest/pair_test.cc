// The fifth way to run a guest of the corpus: as a pair, one of which dies in an awkward place. The
// survivor must come to the end of the plain run, and what left the two of them is what the plain
// run puts out, with repeats but without a contradiction or a loss.
//
// The survivor takes what is left of the same script, so that its end can be compared. This hides
// some of what a wrong takeover does; ASurvivorThatBranchesOffContradictsNothing gives it another.
//
// This test has been seen to fail. With the assertions that stand in their way taken out, it
// reports
//   - a backup that says it has drained when it has not (BackupWorld::follow_end without at_end),
//   - an output that leaves before its acknowledgement (OutputGate::may_leave), and
//   acknowledgements
//     of what is still in the channel (PairBox::Wires::acks_lie),
//   - an output mark one tick early, in RecordingWorld or in Machine::emit,
//   - an input record that the backup loses (ReplayCursor::push), and one that it takes again
//     (BackupWorld::take_inputs without the next console offset),
//   - a survivor that does not repeat its oldest held output (OutputGate::set_mode),
//   - a backup that finishes before its primary's goodbye: the last output dies with the primary.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "emulator/base/prng.h"
#include "replay/recording_world.h"
#include "tests/guest/corpus.h"
#include "tests/guest/guest_pair.h"

namespace ftvm::test {
namespace {

using Where = Kill::Where;

struct Engines {
  EngineKind primary = EngineKind::kAccelerated;
  EngineKind backup = EngineKind::kAccelerated;
  /// 0: all kills. 1 to 3: a third of them, so that the time of a whole corpus is bearable.
  std::uint64_t third = 0;
};

bool at_port_access(GuestMachine& machine) {
  constexpr std::size_t kCodeSegment = 1;
  const CpuRegisters registers = machine.cpu().registers();
  const ByteView ram = machine.machine().memory().bytes();
  std::uint64_t at = registers.segment[kCodeSegment].base + registers.rip;
  const auto is_prefix = [](std::uint8_t byte) {
    return byte == 0x66 || byte == 0xf2 || byte == 0xf3;
  };
  while (at < ram.size() && is_prefix(ram[at])) ++at;
  if (at >= ram.size()) return false;
  const std::uint8_t opcode = ram[at];
  return (opcode & 0xf4) == 0xe4 || (opcode & 0xfc) == 0x6c;  // IN and OUT; INS and OUTS.
}

/// A guest, what its plain run does, and pairs of it.
class PairOf {
 public:
  PairOf(Guest guest, Engines engines) : guest_(std::move(guest)), engines_(engines) {
    run_plain();
  }

  [[nodiscard]] std::unique_ptr<GuestPair> make(std::uint64_t seed, Kill kill) const {
    return make(seed, kill, world());
  }
  [[nodiscard]] std::unique_ptr<GuestPair> make(std::uint64_t seed, Kill kill,
                                                WaysWorld::Options outside) const {
    return std::make_unique<GuestPair>(GuestPair::Options{.primary = machine(engines_.primary),
                                                          .backup = machine(engines_.backup),
                                                          .image = image_,
                                                          .outside = std::move(outside),
                                                          .length = plain.at,
                                                          .seed = seed,
                                                          .kill = kill});
  }
  /// Ends of a primary, one of each kind and some more; none before the pair is protected, which
  /// is record 1.
  [[nodiscard]] std::vector<Kill> kills(std::uint64_t seed) const {
    Prng random(seed);
    const std::uint64_t outputs = plain.transcript.size();
    std::vector<Kill> kills{{Where::kTick, 1 + random.below(plain.at.value - 1)},
                            {Where::kTick, 1 + random.below(plain.at.value - 1)},
                            {Where::kTick, plain.at.value - 1},
                            {Where::kRecordMade, 2 + random.below(records - 1)},
                            {Where::kRecordMade, records},  // Its End.
                            {Where::kHandOver, 1 + random.below(plain.at.value - 1)},
                            {Where::kOutputMayLeave, outputs},
                            {Where::kOutputLeft, outputs}};
    for (const Where where :
         {Where::kOutputMade, Where::kOutputHeld, Where::kOutputMayLeave, Where::kOutputLeft}) {
      const Kill kill{where, 1 + random.below(outputs)};
      if (std::find(kills.begin(), kills.end(), kill) == kills.end()) kills.push_back(kill);
    }
    const std::vector<Tick> accesses = port_accesses();
    if (!accesses.empty()) {
      // In front of the access, or between its retirement and whatever follows.
      const Tick at = accesses[random.below(accesses.size())];
      kills.push_back({Where::kTick, at.value + random.below(2)});
    }
    return kills;
  }
  /// Ticks at which the guest is about to touch a port; some of them.
  [[nodiscard]] std::vector<Tick> port_accesses() const {
    std::vector<Tick> accesses;
    GuestMachine machine(this->machine(EngineKind::kAccelerated), image_);
    WaysWorld::Options looking = world();
    looking.slice_ticks_max = 1 + plain.at.value / 1000;
    looking.on_stop = [&](Tick now) {
      if (at_port_access(machine)) accesses.push_back(now);
    };
    WaysWorld outside(looking);
    (void)machine.run(outside);
    return accesses;
  }
  [[nodiscard]] WaysWorld::Options world() const {
    return {.stop = guest_.stop, .inputs = guest_.inputs};
  }

  Outcome plain;
  std::string plain_console;
  std::uint64_t records = 1;  // Of a pair that nothing happens to; Protected is the first.

 private:
  struct Counter final : replay::RecordSink {
    Status append(const replay::Record&) override {
      ++count;
      return {};
    }
    std::uint64_t count = 0;
  };
  GuestMachine::Options machine(EngineKind engine) const {
    return {.engine = engine, .grid_ticks = guest_.grid_ticks};
  }
  void run_plain() {
    GuestMachine machine(this->machine(EngineKind::kAccelerated), image_);
    WaysWorld outside(world());
    Counter counter;
    replay::RecordingWorld recording(outside, counter,
                                     {.digest_every_lines = kPairDigestEveryLines});
    const RunResult result = machine.run(recording);
    records += counter.count;
    plain_console = outside.text(Endpoint::kConsole);
    plain = outcome(machine, result, outside.transcript());
  }

  Guest guest_;
  Engines engines_;
  Bytes image_ = guest_image(guest_.name);
};

Outcome with(Outcome end, const GuestPair& pair) {
  end.transcript = pair.released.outside;
  return end;
}

class PairWay : public ::testing::TestWithParam<std::tuple<Guest, Engines>> {
 protected:
  void expect_rules_kept(const GuestPair& pair) const {
    EXPECT_EQ(pair.released.fault_text(), "");
    EXPECT_EQ(pair.released.published,
              guest_.plain_console.substr(0, pair.released.published.size()));
  }
  PairOf guest_{std::get<0>(GetParam()), std::get<1>(GetParam())};
};

TEST_P(PairWay, BothMeetAPlannedEnd) {
  const auto pair = guest_.make(1, {});
  pair->run_to_end();
  expect_rules_kept(*pair);
  EXPECT_EQ(with(pair->primary_end, *pair), guest_.plain) << pair->primary_note;
  EXPECT_EQ(with(pair->backup_end, *pair), guest_.plain) << pair->backup_note;
  EXPECT_EQ(pair->primary_live + pair->backup_live, 0u) << "nobody asked the arbiter";
  EXPECT_EQ(pair->released.repeats, 0u);
  EXPECT_EQ(pair->primary().metrics().recorded, JournalSeq{guest_.records});
}

TEST_P(PairWay, ABackupGoesOnAsThePlainRun) {
  const std::uint64_t third = std::get<1>(GetParam()).third;
  std::uint64_t seed = 0, unprotected = 0;
  for (const Kill& kill : guest_.kills(1 + third)) {
    if (++seed % 3 != third % 3 && third != 0) continue;
    const auto pair = guest_.make(seed, kill);
    pair->run_to_end();
    SCOPED_TRACE(kill.text() + ", seed " + std::to_string(seed));
    expect_rules_kept(*pair);
    EXPECT_EQ(pair->primary_dead, kill.where != Where::kHandOver);
    if (!pair->was_protected()) {  // The record that says so died with the primary.
      ++unprotected;
      EXPECT_TRUE(pair->released.outside.empty());
      continue;
    }
    EXPECT_EQ(with(pair->backup_end, *pair), guest_.plain) << pair->backup_note;
    EXPECT_EQ(pair->backup_live, 2u);
  }
  EXPECT_LE(unprotected, 2u) << "they are to die later";
}

TEST_P(PairWay, APrimaryGoesOnAloneAsThePlainRun) {
  const std::uint64_t seeds = std::get<1>(GetParam()).third == 0 ? 2 : 1;
  Prng random(seeds);
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const Kill kill{Where::kBackup, 1 + random.below(guest_.plain.at.value - 1)};
    const auto pair = guest_.make(seed, kill);
    pair->run_to_end();
    SCOPED_TRACE(kill.text() + ", seed " + std::to_string(seed));
    expect_rules_kept(*pair);
    EXPECT_EQ(with(pair->primary_end, *pair), guest_.plain) << pair->primary_note;
    EXPECT_EQ(pair->primary_live, 2u);
    EXPECT_EQ(pair->released.repeats, 0u);
  }
}

std::string name_of(const ::testing::TestParamInfo<std::tuple<Guest, Engines>>& info) {
  const auto [guest, engines] = info.param;
  const auto name = [](EngineKind kind) {
    return kind == EngineKind::kPortable ? "_portable" : "_accelerated";
  };
  return guest.name + name(engines.primary) + name(engines.backup);
}
std::vector<std::tuple<Guest, Engines>> cases() {
  constexpr EngineKind kFast = EngineKind::kAccelerated, kPortable = EngineKind::kPortable;
  std::vector<std::tuple<Guest, Engines>> cases;
  for (const Guest& guest : guests()) {
    cases.emplace_back(guest, Engines{kFast, kFast});
    cases.emplace_back(guest, Engines{kPortable, kPortable, 1});
    cases.emplace_back(guest, Engines{kFast, kPortable, 2});
    cases.emplace_back(guest, Engines{kPortable, kFast, 3});
  }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(Corpus, PairWay, ::testing::ValuesIn(cases()), name_of);

Guest guest_of(const std::string& name) {
  for (Guest& guest : guests()) {
    if (guest.name == name) return guest;
  }
  ADD_FAILURE() << "the corpus has no guest " << name;
  return {};
}

/// At its first own tick the survivor is given what the primary never was. Whatever had been seen
/// outside by then must be part of what it has done.
TEST(PairWay, ASurvivorThatBranchesOffContradictsNothing) {
  const PairOf guest(guest_of("console"), {});
  WaysWorld::Options outside = guest.world();
  outside.stop = guest.plain.at;
  outside.typed_when_live = "something else\n";
  std::uint64_t seed = 0;
  std::uint64_t branched = 0;
  for (std::uint64_t round = 1; round <= 2; ++round) {
    for (const Kill& kill : guest.kills(round)) {
      const auto pair = guest.make(++seed, kill, outside);
      pair->run_to_end();
      SCOPED_TRACE(kill.text() + ", seed " + std::to_string(seed));
      EXPECT_EQ(pair->released.fault_text(), "");
      EXPECT_EQ(pair->backup_live, pair->was_protected() ? 2u : 0u);
      if (pair->released.outside != guest.plain.transcript) ++branched;
    }
  }
  EXPECT_GT(branched, 10u);
}

TEST(PairWay, ASeedGivesTheSameRunTwice) {
  const PairOf guest(guest_of("wakes"), {EngineKind::kAccelerated, EngineKind::kPortable});
  const Kill kill{Where::kOutputHeld, 4};
  const auto figures = [&] {
    const auto pair = guest.make(3, kill);
    pair->run_to_end();
    EXPECT_TRUE(pair->was_protected());
    return std::tuple(pair->ms(), pair->held, pair->ticks_behind, pair->released.by_primary,
                      pair->released.repeats, pair->primary().metrics().recorded);
  };
  EXPECT_EQ(figures(), figures());
}

/// What the tests above are about does happen in them.
TEST(PairWay, TheKillsAreAwkward) {
  EXPECT_GE(PairOf(guest_of("devices"), {}).port_accesses().size(), 100u);
  const PairOf guest(guest_of("console"), {});
  std::uint64_t seed = 0;
  std::uint64_t held = 0, behind = 0, retaken = 0, repeats = 0, forgotten = 0;
  for (const Kill& kill : guest.kills(1)) {
    const auto pair = guest.make(++seed, kill);
    pair->run_to_end();
    held += pair->held != 0 ? 1 : 0;
    behind += pair->ticks_behind != 0 ? 1 : 0;
    retaken += pair->retaken != 0 ? 1 : 0;
    repeats += pair->released.repeats != 0 ? 1 : 0;
    forgotten += pair->backup().metrics().gate.forgotten != 0 ? 1 : 0;
  }
  EXPECT_GE(held, 3u);
  EXPECT_GE(behind, 3u);
  EXPECT_GE(retaken, 1u);
  EXPECT_GE(repeats, 3u);
  EXPECT_GE(forgotten, 1u);
}

}  // namespace
}  // namespace ftvm::test
