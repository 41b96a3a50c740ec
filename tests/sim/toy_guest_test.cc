// The toy guest is a guest: how its run is cut changes nothing, what it is given changes
// everything.
#include "ftcore/sim/toy_guest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "emulator/base/prng.h"

namespace ftvm::ftcore::sim {
namespace {

/// Typed bytes at given ticks; slices of 1 to `slice_max`; the end at a tick.
class ScriptedWorld final : public World {
 public:
  ScriptedWorld(std::vector<std::uint64_t> typed_at, std::uint64_t slice_max, std::uint64_t seed)
      : typed_at_(std::move(typed_at)), slice_max_(slice_max), random_(seed) {}

  Tick horizon(Tick now) override {
    return std::min(now.plus(1 + random_.below(slice_max_)), next());
  }
  std::vector<Input> take_inputs(Tick now, GuestTime, InputRoom) override {
    if (done_ == typed_at_.size() || typed_at_[done_] != now.value) return {};
    return {{now, Endpoint::kConsole, ConsoleBytes{done_++, {7}}}};
  }
  Tick wait(Tick now, GuestTime, Tick next_due) override {
    return std::max(now, std::min({next_due, next(), now.plus(1 + random_.below(slice_max_))}));
  }
  void grid_line(Tick, std::uint64_t line, StateProbe& probe) override {
    said.push_back(probe.digest_slice(static_cast<std::uint32_t>(line)).words[0]);
  }
  void emit(Output output) override {
    said.push_back(output.at.value);
    said.insert(said.end(), output.bytes.begin(), output.bytes.end());
  }
  bool should_end(Tick now, EndReason*) override { return now >= kEnd; }
  void end(Tick, EndReason, const Digest&) override {}

  std::vector<std::uint64_t> said;
  static constexpr Tick kEnd{200'000};

 private:
  [[nodiscard]] Tick next() const {
    return done_ < typed_at_.size() ? std::min(kEnd, Tick{typed_at_[done_]}) : kEnd;
  }
  std::vector<std::uint64_t> typed_at_;
  std::uint64_t slice_max_;
  Prng random_;
  std::size_t done_ = 0;
};

/// Over at every `every`th stop.
class ShortTurn final : public Turn {
 public:
  explicit ShortTurn(int every) : every_(every) {}
  [[nodiscard]] bool over() const override { return every_ != 0 && ++asked_ % every_ == 0; }
  [[nodiscard]] Tick target() const override { return Tick::never(); }

 private:
  int every_;
  mutable int asked_ = 0;
};

struct Ran {
  std::vector<std::uint64_t> said;
  Digest state;
  bool operator==(const Ran&) const = default;
};

Ran ran(std::vector<std::uint64_t> typed_at, std::uint64_t slice_max, int turns = 0) {
  ScriptedWorld world(std::move(typed_at), slice_max, slice_max);
  ToyGuest guest({.seed = 5});
  const ShortTurn turn(turns);
  while (!guest.run(world, turn)) {
  }
  EXPECT_STREQ(guest.refused(), "");
  return {world.said, guest.ended().state};
}

TEST(ToyGuest, HowItIsCutChangesNothing) {
  const std::vector<std::uint64_t> typed{1'000, 1'001, 40'000, 123'456};
  const Ran whole = ran(typed, 1'000'000);
  EXPECT_GT(whole.said.size(), 100u);
  for (const std::uint64_t slice_max : {1u, 7u, 300u, 20'000u}) {
    EXPECT_EQ(ran(typed, slice_max), whole) << slice_max;
  }
  EXPECT_EQ(ran(typed, 500, 3), whole) << "in turns";
}

TEST(ToyGuest, AnInputThatIsLateLostOrDoubledChangesTheRest) {
  const Ran whole = ran({1'000, 40'000}, 1'000);
  EXPECT_NE(ran({1'000, 40'001}, 1'000), whole);
  EXPECT_NE(ran({1'000}, 1'000), whole);
  EXPECT_NE(ran({1'000, 40'000, 40'001}, 1'000), whole);
}

TEST(ToyGuest, NamesAnInputThatNoMachineCouldHaveBeenGiven) {
  ToyGuest guest({.seed = 5});
  ScriptedWorld world({}, 1'000, 1);
  const ShortTurn turn(1);
  (void)guest.run(world, turn);
  EXPECT_STREQ(guest.refused(), "");
  class Stranger final : public World {
   public:
    Tick horizon(Tick now) override { return now; }
    std::vector<Input> take_inputs(Tick now, GuestTime, InputRoom) override {
      return {{now, Endpoint::kConsole, ConsoleBytes{17, {1}}}};
    }
    Tick wait(Tick now, GuestTime, Tick) override { return now; }
    void grid_line(Tick, std::uint64_t, StateProbe&) override {}
    void emit(Output) override {}
    bool should_end(Tick, EndReason*) override { return false; }
    void end(Tick, EndReason, const Digest&) override {}
  } stranger;
  (void)guest.run(stranger, turn);
  EXPECT_STREQ(guest.refused(), "console bytes that are not the next");
}

}  // namespace
}  // namespace ftvm::ftcore::sim
