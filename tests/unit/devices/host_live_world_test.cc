// LiveWorld under a host clock that only moves when told, so that every wait is exact.
#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "devices/host/live_world.h"
#include "devices/host/null_console.h"
#include "devices/host/script_console.h"
#include "emulator/clock.h"
#include "tests/unit/devices/host_test_support.h"

namespace ftvm::devices::host {
namespace {

using Clock = LiveWorld::Clock;
constexpr InputRoom kRoomy{.console_bytes = 64};

/// An endpoint that remembers what it was told.
class RecordingConsole final : public ConsoleEndpoint {
 public:
  std::size_t take_input(Bytes& out, std::size_t max) override { return inbox.take(out, max); }
  void write(std::uint64_t offset, ByteView bytes) override {
    writes.emplace_back(offset, text_of(bytes));
  }
  void set_wakeup(std::function<void()> wakeup) override { inbox.set_wakeup(std::move(wakeup)); }
  void confirm_input(std::uint64_t offset) override { confirmed = offset; }
  void end(EndReason reason) override { ended = reason; }
  void type(std::string_view text) { inbox.push(bytes_of(text)); }

  ConsoleInbox inbox{4096};
  std::vector<std::pair<std::uint64_t, std::string>> writes;
  std::uint64_t confirmed = 0;
  std::optional<EndReason> ended;
};

/// The console bytes among some inputs, as "offset:text".
std::string typed_in(const std::vector<Input>& inputs) {
  for (const Input& input : inputs) {
    if (const auto* typed = std::get_if<ConsoleBytes>(&input.body)) {
      EXPECT_EQ(input.endpoint, Endpoint::kConsole);
      return std::to_string(typed->offset) + ":" + text_of(typed->bytes);
    }
  }
  return "";
}

const ClockSync* sync_in(const std::vector<Input>& inputs) {
  return inputs.empty() ? nullptr : std::get_if<ClockSync>(&inputs.front().body);
}

Output console_output(std::string_view text) {
  return {.at = Tick{1}, .endpoint = Endpoint::kConsole, .bytes = bytes_of(text)};
}

TEST(LiveWorld, SlicesEndAtFixedTicks) {
  NullConsole console;
  LiveWorld world({.slice_ticks = 1000}, console);
  EXPECT_EQ(world.horizon(Tick{0}), Tick{1000});
  EXPECT_EQ(world.horizon(Tick{1}), Tick{1000});
  EXPECT_EQ(world.horizon(Tick{1000}), Tick{2000});
}

TEST(LiveWorld, NumbersTypedBytesAndGivesNoMoreThanThereIsRoomFor) {
  RecordingConsole console;
  LiveWorld world({}, console);
  console.type("hello world");
  EXPECT_EQ(typed_in(world.take_inputs(Tick{5}, GuestTime{0}, {.console_bytes = 0})), "");
  EXPECT_EQ(typed_in(world.take_inputs(Tick{5}, GuestTime{0}, {.console_bytes = 5})), "0:hello");
  EXPECT_EQ(console.confirmed, 5u);
  console.type("!");
  EXPECT_EQ(typed_in(world.take_inputs(Tick{6}, GuestTime{0}, kRoomy)), "5: world");
  EXPECT_EQ(typed_in(world.take_inputs(Tick{7}, GuestTime{0}, kRoomy)), "11:!");
  EXPECT_EQ(typed_in(world.take_inputs(Tick{8}, GuestTime{0}, kRoomy)), "");
  EXPECT_EQ(world.console_input_offset(), 12u);
  EXPECT_EQ(world.counters().console_in_bytes, 12u);
}

TEST(LiveWorld, CountsOutputOffsetsAndContinuesThemAfterARestore) {
  RecordingConsole console;
  LiveWorld world({}, console);
  world.emit(console_output("abc"));
  world.emit(console_output("de"));
  ASSERT_EQ(console.writes.size(), 2u);
  EXPECT_EQ(console.writes[1], (std::pair<std::uint64_t, std::string>{3, "de"}));
  world.set_console_offsets(100, 2000);
  world.emit(console_output("x"));
  EXPECT_EQ(console.writes.back().first, 2000u);
  console.type("y");
  EXPECT_EQ(typed_in(world.take_inputs(Tick{1}, GuestTime{0}, kRoomy)), "100:y");
  world.end(Tick{2}, EndReason::kPowerOff, {});
  EXPECT_EQ(console.ended, EndReason::kPowerOff);
}

TEST(LiveWorld, UnderAWrapperReleasesNothingByItself) {
  RecordingConsole console;
  LiveWorld world({.releases = false}, console);
  world.emit(console_output("abc"));
  console.type("z");
  EXPECT_EQ(typed_in(world.take_inputs(Tick{1}, GuestTime{0}, kRoomy)), "0:z");
  world.end(Tick{2}, EndReason::kPowerOff, {});
  EXPECT_TRUE(console.writes.empty());
  EXPECT_EQ(console.confirmed, 0u);
  EXPECT_FALSE(console.ended);
  EXPECT_EQ(world.console_output_offset(), 3u);
}

TEST(LiveWorld, GivesDebugBytesToTheSinkOnly) {
  RecordingConsole console;
  LiveWorld world({}, console);
  std::string debug;
  world.set_debug_sink([&](ByteView bytes) { debug += text_of(bytes); });
  world.emit({.at = Tick{1}, .endpoint = Endpoint::kDebug, .bytes = bytes_of("boot")});
  EXPECT_EQ(debug, "boot");
  EXPECT_TRUE(console.writes.empty());
}

TEST(LiveWorld, TheFirstStopReasonWins) {
  NullConsole console;
  LiveWorld world({}, console);
  EndReason reason{};
  EXPECT_FALSE(world.should_end(Tick{0}, &reason));
  world.request_stop(EndReason::kHandOver);
  world.request_stop(EndReason::kStopped);
  ASSERT_TRUE(world.should_end(Tick{0}, &reason));
  EXPECT_EQ(reason, EndReason::kHandOver);
  world.clear_stop();
  EXPECT_FALSE(world.should_end(Tick{0}, &reason));
}

TEST(LiveWorld, AButtonIsOneInputHoweverOftenItIsPressed) {
  NullConsole console;
  LiveWorld world({}, console);
  world.press(Control::kPowerButton);
  world.press(Control::kPowerButton);
  const auto inputs = world.take_inputs(Tick{3}, GuestTime{0}, kRoomy);
  ASSERT_EQ(inputs.size(), 1u);
  EXPECT_EQ(inputs[0], (Input{Tick{3}, Endpoint::kPower, Control::kPowerButton}));
  EXPECT_TRUE(world.take_inputs(Tick{4}, GuestTime{0}, kRoomy).empty());
}

TEST(LiveWorldVirtualClock, SkipsIdleTimeAtOnceUnlessInputWaits) {
  RecordingConsole console;
  InventedClock clock;
  LiveWorld world({}, console, clock);
  EXPECT_TRUE(world.take_inputs(Tick{0}, GuestTime{0}, kRoomy).empty());
  EXPECT_EQ(world.wait(Tick{10}, GuestTime{0}, Tick{9000}), Tick{9000});
  console.type("x");
  EXPECT_EQ(world.wait(Tick{9000}, GuestTime{0}, Tick{20'000}), Tick{9000});
  EXPECT_EQ(typed_in(world.take_inputs(Tick{9000}, GuestTime{0}, kRoomy)), "0:x");
  EXPECT_EQ(world.wait(Tick{9000}, GuestTime{0}, Tick{20'000}), Tick{20'000});
  EXPECT_EQ(clock.sleeps, 0);
}

TEST(LiveWorldVirtualClock, InputThatTheGuestHasNoRoomForDoesNotKeepItAwake) {
  RecordingConsole console;
  InventedClock clock;
  LiveWorld world({}, console, clock);
  console.type("x");
  (void)world.take_inputs(Tick{0}, GuestTime{0}, {.console_bytes = 0});
  EXPECT_EQ(world.wait(Tick{10}, GuestTime{0}, Tick{9000}), Tick{9000});
}

TEST(LiveWorldVirtualClock, WithNothingDueItSleepsUntilInput) {
  RecordingConsole console;
  InventedClock clock;
  LiveWorld world({}, console, clock);
  (void)world.take_inputs(Tick{0}, GuestTime{0}, kRoomy);
  clock.in_sleep = [&] {
    clock.pass(3'000'000);
    console.type("k");
  };
  EXPECT_EQ(world.wait(Tick{10}, GuestTime{0}, Tick::never()), Tick{10});
  EXPECT_FALSE(clock.forever);
  EXPECT_EQ(typed_in(world.take_inputs(Tick{10}, GuestTime{0}, kRoomy)), "0:k");
  EXPECT_EQ(world.counters().idle_host_ns, 3'000'000u);
}

TEST(LiveWorldVirtualClock, AScriptedRunAsksAtTheSameTicksEachTime) {
  const auto run = [] {
    ScriptConsole console({{"login:", "root\n"}, {"# ", "halt\n"}});
    LiveWorld world({.slice_ticks = 100}, console);
    std::string trace;
    Tick now;
    for (int stop = 0; stop < 12; ++stop) {
      const auto inputs = world.take_inputs(now, GuestTime{now.value}, kRoomy);
      if (!typed_in(inputs).empty()) trace += std::to_string(now.value) + "=" + typed_in(inputs);
      if (stop == 3) world.emit(console_output("log"));
      if (stop == 4) world.emit(console_output("in: "));
      if (stop == 7) world.emit(console_output("# "));
      now = stop % 2 == 0 ? world.horizon(now) : world.wait(now, GuestTime{0}, now.plus(37));
    }
    return trace;
  };
  EXPECT_EQ(run(), run());
  EXPECT_EQ(run(), "300=0:root\n400=5:halt\n") << "the ticks are part of the test";
}

class HostClockWorld : public ::testing::Test {
 protected:
  /// What Machine does at a stop: inputs first, applied at once.
  std::vector<Input> stop() {
    std::vector<Input> inputs = world.take_inputs(now, guest.at(now), kRoomy);
    if (const ClockSync* sync = sync_in(inputs)) {
      EXPECT_TRUE(guest.apply(now, *sync));
    }
    return inputs;
  }
  void wait(Tick due) { now = world.wait(now, guest.at(now), due); }
  [[nodiscard]] std::int64_t error() {
    return static_cast<std::int64_t>(clock.now().ns - start.ns - guest.at(now).ns);
  }

  RecordingConsole console;
  InventedClock clock;
  HostTime start = clock.now();
  LiveWorld world{{.clock = Clock::kHost}, console, clock};
  GuestClock guest;
  Tick now;
};

TEST_F(HostClockWorld, SleepsInRealTimeUntilTheTimerIsDue) {
  stop();
  for (int i = 0; i < 100; ++i) {
    wait(guest.first_tick_at(guest.at(now).plus_ns(4'000'000)));
    stop();
  }
  EXPECT_EQ(clock.sleeps, 100);
  EXPECT_NEAR(static_cast<double>(clock.now().ns - start.ns), 400e6, 1e6);
  EXPECT_LE(std::abs(error()), 1000);
  EXPECT_EQ(world.counters().clock.syncs, 1u);
}

TEST_F(HostClockWorld, InputEndsASleepAtTheTickOfTheHostsTime) {
  stop();
  const Tick due = guest.first_tick_at(GuestTime{1'000'000'000});
  clock.in_sleep = [&] {
    clock.pass(250'000'000);
    console.type("k");
  };
  wait(due);
  EXPECT_LT(now, due);
  EXPECT_NEAR(static_cast<double>(guest.at(now).ns), 250e6, 1e4);
  EXPECT_EQ(typed_in(stop()), "0:k");
}

TEST_F(HostClockWorld, AStopEndsASleepWithNothingDue) {
  stop();
  clock.in_sleep = [&] {
    clock.pass(70'000'000);
    world.request_stop(EndReason::kStopped);
  };
  wait(Tick::never());
  EXPECT_FALSE(clock.forever);
  EndReason reason{};
  EXPECT_TRUE(world.should_end(now, &reason));
  EXPECT_NEAR(static_cast<double>(guest.at(now).ns), 70e6, 1e4);
  wait(Tick::never());  // A stopped world does not sleep again.
  EXPECT_FALSE(clock.forever);
}

TEST_F(HostClockWorld, AWrapperCanEndASleep) {
  stop();
  clock.in_sleep = [&] { world.wake(); };
  wait(Tick::never());
  EXPECT_FALSE(clock.forever);
  clock.in_sleep = nullptr;
  world.wake();  // Also when it comes before the sleep.
  const int sleeps_before = clock.sleeps;
  wait(Tick::never());
  EXPECT_EQ(clock.sleeps, sleeps_before);
}

TEST_F(HostClockWorld, APauseOfTheHostIsSteppedOver) {
  stop();
  clock.pass(5'000'000'000);
  stop();
  EXPECT_EQ(error(), 0);
  EXPECT_EQ(world.counters().clock.steps, 1u);
}

TEST_F(HostClockWorld, AnAnchoredClockStartsAtTheTimeWanted) {
  world.anchor_clock(GuestTime{77'000'000'000});
  stop();
  EXPECT_EQ(guest.at(now), GuestTime{77'000'000'000});
}

TEST(LiveWorldThreads, InputAndStopsFromOtherThreadsWakeARealSleep) {
  RecordingConsole console;
  LiveWorld world({.clock = Clock::kHost}, console);
  (void)world.take_inputs(Tick{0}, GuestTime{0}, kRoomy);
  std::thread typist([&] { console.type("q"); });
  std::string typed;
  Tick now;
  while (typed.empty()) {
    now = world.wait(now, GuestTime{0}, Tick::never());
    typed = typed_in(world.take_inputs(now, GuestTime{0}, kRoomy));
  }
  typist.join();
  EXPECT_EQ(typed, "0:q");
  std::thread stopper([&] { world.request_stop(EndReason::kStopped); });
  EndReason reason{};
  while (!world.should_end(now, &reason)) now = world.wait(now, GuestTime{0}, Tick::never());
  stopper.join();
  EXPECT_EQ(reason, EndReason::kStopped);
}

LiveWorld* world_of_handler = nullptr;

TEST(LiveWorldThreads, ASignalHandlerStopsAVirtualClocksSleep) {
  NullConsole console;
  LiveWorld world({}, console);
  world_of_handler = &world;
  const auto before =
      std::signal(SIGUSR1, [](int) { world_of_handler->request_stop(EndReason::kStopped); });
  (void)world.take_inputs(Tick{0}, GuestTime{0}, kRoomy);
  std::thread sender([target = ::pthread_self()] { ::pthread_kill(target, SIGUSR1); });
  EndReason reason{};
  while (!world.should_end(Tick{0}, &reason)) {
    (void)world.wait(Tick{0}, GuestTime{0}, Tick::never());
  }
  sender.join();
  std::signal(SIGUSR1, before);
  EXPECT_EQ(reason, EndReason::kStopped);
}

}  // namespace
}  // namespace ftvm::devices::host
