// Where a snapshot is taken and what may start from it.
#include <gtest/gtest.h>

#include "emulator/machine.h"
#include "ftcore/cli/journal_replay.h"
#include "ftcore/cli/resume.h"
#include "ftcore/cli/snapshot_taker.h"
#include "tests/unit/replay/replay_test_util.h"

namespace ftvm::cli {
namespace {

/// Grants everything, idles as told.
class QuietWorld final : public World {
 public:
  Tick horizon(Tick now) override { return now.plus(kGridTicks); }
  std::vector<Input> take_inputs(Tick, GuestTime, InputRoom) override { return {}; }
  Tick wait(Tick, GuestTime, Tick next_due) override { return next_due; }
  void grid_line(Tick, std::uint64_t, StateProbe&) override { ++lines; }
  void emit(Output) override { ++outputs; }
  bool should_end(Tick, EndReason*) override { return false; }
  void end(Tick, EndReason, const Digest&) override {}
  int lines = 0;
  int outputs = 0;
};

class NoProbe final : public StateProbe {
 public:
  Digest digest_slice(std::uint32_t) override { return {}; }
  Digest digest_all() override { return {}; }
};

/// Walks a taker from grid line to grid line.
class Walk {
 public:
  explicit Walk(SnapshotMoment moment)
      : taker(world, std::move(moment), [this](Tick now) -> Status {
          EXPECT_EQ(world.lines, static_cast<int>(now.value / kGridTicks));
          taken_at.push_back(now);
          return {};
        }) {}
  void print(std::string_view text) {
    taker.emit({Tick{tick}, Endpoint::kConsole, Bytes(text.begin(), text.end())});
  }
  /// To the next grid line, idle for `idle` of its ticks.
  void line(std::uint64_t idle = 0) {
    const std::uint64_t due = (tick / kGridTicks + 1) * kGridTicks;
    if (idle > 0) taker.wait(Tick{due - idle}, GuestTime{}, Tick{due});
    tick = due;
    taker.grid_line(Tick{tick}, tick / kGridTicks, probe);
    taker.take_inputs(Tick{tick}, GuestTime{tick * 10}, {});
  }
  bool ends() {
    EndReason reason{};
    const bool result = taker.should_end(Tick{tick}, &reason);
    EXPECT_TRUE(!result || reason == EndReason::kStopped);
    return result;
  }

  QuietWorld world;
  NoProbe probe;
  std::vector<Tick> taken_at;
  SnapshotTaker taker;
  std::uint64_t tick = 0;
};

TEST(SnapshotTaker, TakesOneAtTheFirstGridLineNotBefore) {
  Walk walk({.at = Tick{kGridTicks + 1}});
  walk.line();
  EXPECT_FALSE(walk.ends());
  walk.line();
  EXPECT_TRUE(walk.ends());
  walk.line();
  EXPECT_EQ(walk.taken_at, std::vector<Tick>{Tick{2 * kGridTicks}});
}

TEST(SnapshotTaker, WaitsForTheTextAndThenForAnIdleStretch) {
  Walk walk({.printed = "guest:"});
  walk.line(kGridTicks);
  walk.print("gue");
  walk.line(kGridTicks);
  EXPECT_FALSE(walk.taker.printed());
  walk.print("st:");
  EXPECT_TRUE(walk.taker.printed());
  walk.line(kGridTicks);  // Idle, but partly before the text.
  walk.line(kGridTicks / 2);
  EXPECT_FALSE(walk.ends());
  walk.line(kGridTicks - kGridTicks / 8);
  EXPECT_TRUE(walk.ends());
  ASSERT_EQ(walk.taken_at.size(), 1u);
  EXPECT_EQ(walk.world.outputs, 2);
}

TEST(SnapshotTaker, NeedsBothConditionsWhenBothAreGiven) {
  Walk walk({.at = Tick{4 * kGridTicks}, .printed = "x"});
  walk.print("x");
  for (int i = 0; i < 3; ++i) walk.line(kGridTicks);
  EXPECT_FALSE(walk.ends());
  walk.line(kGridTicks);
  EXPECT_TRUE(walk.ends());
}

TEST(SnapshotTaker, GivesUpByGuestTime) {
  Walk walk({.printed = "x", .give_up = GuestTime{kGridTicks * 10 * 2}});
  walk.line();
  EXPECT_FALSE(walk.ends());
  walk.line();
  EXPECT_TRUE(walk.ends());
  EXPECT_TRUE(walk.taker.gave_up());
  EXPECT_FALSE(walk.taker.taken());
}

TEST(FirstPosition, IsTheStartOrALaterSnapshotOfTheSameRun) {
  replay::JournalHeader from_power_on = replay::some_header();
  const StartPoint power_on;
  const StartPoint same_run{{500}, {9}, Digest{{5, 5}}, from_power_on.run_id};
  const StartPoint other_run{{500}, {9}, Digest{{5, 5}}, {}};
  EXPECT_EQ(first_position(from_power_on, power_on)->value, 0u);
  EXPECT_EQ(first_position(from_power_on, same_run)->value, 9u);
  EXPECT_EQ(first_position(from_power_on, other_run).error().code(), ErrorCode::kMismatch);

  replay::JournalHeader from_snapshot = from_power_on;
  from_snapshot.start = {400};
  from_snapshot.start_seq = {7};
  from_snapshot.start_snapshot = Digest{{4, 4}};
  const StartPoint the_one{{400}, {7}, Digest{{4, 4}}, {}};
  EXPECT_EQ(first_position(from_snapshot, the_one)->value, 7u);
  EXPECT_EQ(first_position(from_snapshot, same_run)->value, 9u);
  EXPECT_EQ(first_position(from_snapshot, power_on).error().code(), ErrorCode::kUsage);
  const auto refused = first_position(from_snapshot, other_run);
  EXPECT_EQ(refused.error().code(), ErrorCode::kMismatch);
  EXPECT_NE(refused.error().message().find(Digest{{4, 4}}.hex()), std::string::npos);
  EXPECT_NE(refused.error().message().find(Digest{{5, 5}}.hex()), std::string::npos);
}

TEST(RecordsBehind, SkipsUpToThePlaceAndRefusesAnotherHistory) {
  replay::VectorSource source(replay::one_of_each());
  RecordsBehind behind(source, {.last = {5}, .tick = {30}});
  const auto record = behind.next();
  ASSERT_TRUE(record);
  EXPECT_EQ((*record)->seq.value, 6u);

  replay::VectorSource too_late(replay::one_of_each());
  RecordsBehind wrong(too_late, {.last = {5}, .tick = {29}});
  EXPECT_EQ(wrong.next().error().code(), ErrorCode::kMismatch);
  EXPECT_EQ(wrong.next().error().code(), ErrorCode::kMismatch);  // It stays.

  replay::VectorSource too_short(replay::one_of_each());
  RecordsBehind beyond(too_short, {.last = {99}, .tick = Tick::never()});
  EXPECT_EQ(beyond.next().error().code(), ErrorCode::kMismatch);
}

TEST(Resume, OnlyAGuestOfTheHostsClockCatchesUpWithIt) {
  constexpr std::int64_t kBoot = 1'700'000'000, kSecond = 1'000'000'000;
  replay::MachineIdentity identity;
  identity.boot_unix_s = kBoot;
  identity.clock = replay::ClockMode::kHost;
  StartPoint start{{1}, {0}, Digest{{1, 1}}, {}, replay::ClockMode::kHost};
  const std::int64_t later = (kBoot + 90) * kSecond + 5;
  EXPECT_EQ(time_to_catch_up_with(start, identity, false, later)->ns, 90u * kSecond + 5);
  EXPECT_FALSE(time_to_catch_up_with(start, identity, false, (kBoot - 1) * kSecond));
  EXPECT_FALSE(time_to_catch_up_with({}, identity, false, later));
  EXPECT_FALSE(time_to_catch_up_with(start, identity, true, later));
  start.clock = replay::ClockMode::kVirtual;
  EXPECT_FALSE(time_to_catch_up_with(start, identity, false, later));
  start.clock = replay::ClockMode::kHost;
  identity.clock = replay::ClockMode::kVirtual;
  EXPECT_FALSE(time_to_catch_up_with(start, identity, false, later));
}

TEST(Resume, ATimeOfItsOwnIsHandedOnForEver) {
  constexpr auto kHost = replay::ClockMode::kHost, kVirtual = replay::ClockMode::kVirtual;
  const auto start = [](replay::ClockMode clock) {
    return StartPoint{{1}, {0}, Digest{{1, 1}}, {}, clock};
  };
  replay::MachineIdentity identity;
  identity.clock = kHost;
  EXPECT_TRUE(shows_host_time({}, identity, false)) << "at power-on";
  EXPECT_TRUE(shows_host_time(start(kHost), identity, false));
  EXPECT_FALSE(shows_host_time({}, identity, true));
  EXPECT_FALSE(shows_host_time(start(kHost), identity, true));
  EXPECT_FALSE(shows_host_time(start(kVirtual), identity, false));
  identity.clock = kVirtual;
  EXPECT_FALSE(shows_host_time({}, identity, false));
  EXPECT_FALSE(shows_host_time(start(kHost), identity, false));
}

}  // namespace
}  // namespace ftvm::cli
