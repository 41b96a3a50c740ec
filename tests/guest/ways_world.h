// The World of the guest corpus: no host, no clock; scripted console input at fixed ticks, a
// transcript of all outputs, and a run cut into slices at random, which must not matter.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "emulator/base/prng.h"
#include "emulator/world.h"

namespace ftvm::test {

/// Console bytes that arrive at a tick, whatever the guest is doing.
struct ScriptedInput {
  Tick at;
  std::string text;
};

class WaysWorld final : public World {
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
    std::function<void(Tick, std::uint64_t line)> on_grid_line{};
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

  Tick horizon(Tick now) override {
    const Tick bound = std::min(options_.stop, next_input());
    return std::max(now, std::min(bound, slice_end(now)));
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
    const Tick until = std::max(now, std::min({next_due, options_.stop, next_input()}));
    const bool in_parts = options_.slice_ticks_max != 0 && until > now && random_.below(4) != 0;
    return in_parts ? now.plus(random_.below(until.value - now.value)) : until;
  }
  void grid_line(Tick now, std::uint64_t line, StateProbe&) override {
    if (options_.on_grid_line) options_.on_grid_line(now, line);
  }
  void emit(Output output) override { transcript_.push_back(std::move(output)); }
  bool should_end(Tick now, EndReason* reason) override {
    *reason = EndReason::kStopped;
    return now >= options_.stop;
  }
  void end(Tick, EndReason, const Digest&) override {}

 private:
  [[nodiscard]] Tick next_input() const {
    return inputs_done_ < options_.inputs.size() ? options_.inputs[inputs_done_].at : Tick::never();
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
