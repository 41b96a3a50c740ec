// The guest the user named: whether its images can be read, and whether it says anything.
#include <chrono>
#include <cstdio>

#include "ftcore/cli/doctor.h"
#include "ftcore/cli/guest_machine.h"

namespace ftvm::cli {
namespace {

/// A Debian kernel prints its first lines after half a billion; a slow host gets less far.
constexpr std::uint64_t kTicksMax = 4'000'000'000;
constexpr auto kPatience = std::chrono::seconds(60);
constexpr std::uint64_t kSliceTicks = 2'000'000;

/// Ends at the first line the guest prints.
class FirstLineWorld final : public World {
 public:
  Tick horizon(Tick now) override { return now.plus(kSliceTicks); }
  std::vector<Input> take_inputs(Tick, GuestTime, InputRoom) override { return {}; }
  Tick wait(Tick now, GuestTime, Tick next_due) override {
    return next_due == Tick::never() ? now : next_due;
  }
  void grid_line(Tick, std::uint64_t, StateProbe&) override {}
  void emit(Output output) override {
    if (output.endpoint != Endpoint::kConsole || complete_) return;
    for (const std::uint8_t byte : output.bytes) {
      complete_ = complete_ || (byte == '\n' && !line_.empty());
      if (!complete_ && byte >= 0x20 && byte < 0x7f) line_ += static_cast<char>(byte);
    }
  }
  bool should_end(Tick now, EndReason* reason) override {
    *reason = EndReason::kStopped;
    return complete_ || now.value >= kTicksMax ||
           std::chrono::steady_clock::now() - from_ >= kPatience;
  }
  void end(Tick, EndReason, const Digest&) override {}
  [[nodiscard]] bool complete() const { return complete_; }
  [[nodiscard]] const std::string& line() const { return line_; }

 private:
  std::chrono::steady_clock::time_point from_ = std::chrono::steady_clock::now();
  std::string line_;
  bool complete_ = false;
};

Finding boot(GuestMachine& guest) {
  constexpr std::size_t kShownMax = 60;
  FirstLineWorld world;
  const auto from = std::chrono::steady_clock::now();
  const auto result = guest.machine().run(world);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - from;
  if (!result)
    return {.name = "guest.boot", .verdict = Verdict::kFail, .text = result.error().message()};
  char numbers[96];
  std::snprintf(numbers, sizeof numbers, "%.0f million instructions, %.1f s",
                static_cast<double>(guest.machine().cpu().retired()) / 1e6, took.count());
  if (world.complete()) {
    return {.name = "guest.boot",
            .text = "\"" + world.line().substr(0, kShownMax) + "\" after " + numbers};
  }
  return {.name = "guest.boot",
          .verdict = Verdict::kFail,
          .text = "the guest printed no line in " + std::string(numbers) + " (" +
                  end_reason_text(result->reason) + ")",
          .advice = "its console must be ttyS0; compare with the default of --command-line"};
}

}  // namespace

void check_guest(const Options& options, const Report& report) {
  if (options.machine.kernel.empty()) {
    return report(
        {.name = "guest.images", .verdict = Verdict::kSkipped, .text = "no --kernel given"});
  }
  const auto clock = clock_mode(options.machine, replay::ClockMode::kVirtual);
  auto guest = clock ? GuestMachine::create(options.machine, replay::ClockMode::kVirtual)
                     : Result<std::unique_ptr<GuestMachine>>(clock.error());
  if (!guest) {
    return report({.name = "guest.images",
                   .verdict = Verdict::kFail,
                   .text = guest.error().message(),
                   .advice = "./dev setup provides a kernel and an initramfs to begin with"});
  }
  const replay::MachineIdentity& identity = (*guest)->identity();
  report({.name = "guest.images",
          .text = "kernel " + identity.kernel.hex() + ", initramfs " + identity.initramfs.hex()});
  report(boot(**guest));
}

}  // namespace ftvm::cli
