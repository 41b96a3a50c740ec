// The World of the guest corpus: no host, no clock; scripted console input at fixed ticks, a
// transcript of all outputs, and a run cut into slices at random, which must not matter. It is also
// the outside of either node of a pair: who goes live takes what is left of the script.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "devices/host/outside.h"
#include "emulator/base/assert.h"
#include "emulator/base/prng.h"
#include "emulator/world.h"

namespace ftvm::test {

/// Console bytes that arrive at a tick, whatever the guest is doing.
struct ScriptedInput {
  Tick at;
  std::string text;
};

class WaysWorld final : public devices::host::Outside {
 public:
  struct Options {
    /// 0: the guest is never interrupted but by its own devices. Else slices of 1 to this many.
    std::uint64_t slice_ticks_max = 0;
    std::uint64_t seed = 1;
    /// Slices begin here.
    Tick slices_from{};
    /// The run ends here, if not before.
    Tick stop = Tick::never();
    std::vector<ScriptedInput> inputs{};
    /// The run stops here on its way.
    Tick visit = Tick::never();
    /// The run ends here, for the backup to go on.
    Tick hand_over = Tick::never();
    /// Takes the place of what is left of the script when a pair's survivor goes live: typed at the
    /// first tick that is its own.
    std::string typed_when_live{};
    std::function<void(Tick, std::uint64_t line)> on_grid_line{};
    std::function<void(Tick)> on_stop{};
  };
  explicit WaysWorld(Options options) : options_(std::move(options)), random_(options_.seed) {}

  /// Goes on where another world was at a snapshot: that much of the script is done.
  void resume_at(std::size_t inputs_done, std::uint64_t offset) {
    inputs_done_ = inputs_done;
    offset_ = offset;
  }
  [[nodiscard]] std::size_t inputs_done() const { return inputs_done_; }
  [[nodiscard]] std::uint64_t input_offset() const { return offset_; }
  [[nodiscard]] std::vector<Output>& transcript() { return transcript_; }
  [[nodiscard]] std::string text(Endpoint endpoint) const {
    std::string text;
    for (const Output& output : transcript_) {
      if (output.endpoint == endpoint) text.append(output.bytes.begin(), output.bytes.end());
    }
    return text;
  }

  void set_console_offsets(std::uint64_t input, std::uint64_t) override {
    while (offset_ < input) {
      FTVM_ASSERT(inputs_done_ < options_.inputs.size());
      offset_ += options_.inputs[inputs_done_++].text.size();
    }
    FTVM_ASSERT(offset_ == input);  // A line arrives whole or not at all.
    if (options_.typed_when_live.empty()) return;
    options_.inputs.resize(inputs_done_);
    options_.inputs.push_back({Tick{}, options_.typed_when_live});
  }
  void observe_clock(GuestTime) override {}
  [[nodiscard]] bool stop_requested() const override { return false; }

  Tick horizon(Tick now) override {
    return std::max(now, std::min(next_stop(now), slice_end(now)));
  }
  std::vector<Input> take_inputs(Tick now, GuestTime, InputRoom) override {
    std::vector<Input> taken;
    for (; inputs_done_ < options_.inputs.size() && next_input() <= now; ++inputs_done_) {
      const std::string& text = options_.inputs[inputs_done_].text;
      taken.push_back({now, Endpoint::kConsole, ConsoleBytes{offset_, {text.begin(), text.end()}}});
      offset_ += text.size();
    }
    return taken;
  }
  Tick wait(Tick now, GuestTime, Tick next_due) override {
    const Tick until = std::max(now, std::min(next_due, next_stop(now)));
    const bool in_parts = options_.slice_ticks_max != 0 && until > now && random_.below(4) != 0;
    return in_parts ? now.plus(random_.below(until.value - now.value)) : until;
  }
  void grid_line(Tick now, std::uint64_t line, StateProbe&) override {
    if (options_.on_grid_line) options_.on_grid_line(now, line);
  }
  void emit(Output output) override { transcript_.push_back(std::move(output)); }
  bool should_end(Tick now, EndReason* reason) override {
    if (options_.on_stop) options_.on_stop(now);
    *reason = now >= options_.hand_over ? EndReason::kHandOver : EndReason::kStopped;
    return now >= std::min(options_.stop, options_.hand_over);
  }
  void end(Tick, EndReason, const Digest&) override {}

 private:
  [[nodiscard]] Tick next_input() const {
    return inputs_done_ < options_.inputs.size() ? options_.inputs[inputs_done_].at : Tick::never();
  }
  [[nodiscard]] Tick next_stop(Tick now) const {
    const Tick visit = options_.visit > now ? options_.visit : Tick::never();
    return std::min({options_.stop, options_.hand_over, next_input(), visit});
  }
  [[nodiscard]] Tick slice_end(Tick now) {
    if (options_.slice_ticks_max == 0) return Tick::never();
    if (now < options_.slices_from) return options_.slices_from;
    return now.plus(1 + random_.below(options_.slice_ticks_max));
  }

  Options options_;
  Prng random_;
  std::vector<Output> transcript_;
  std::size_t inputs_done_ = 0;
  std::uint64_t offset_ = 0;
};

}  // namespace ftvm::test
