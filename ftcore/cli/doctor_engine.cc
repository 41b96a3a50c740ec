// What computes: libunicorn, the two engines on top of it and how fast they are here, and libm.
#include <dlfcn.h>

#include <array>
#include <chrono>
#include <cstdio>

#include "devices/board.h"
#include "emulator/boot/flat_loader.h"
#include "emulator/machine.h"
#include "ftcore/cli/doctor.h"
#include "ftcore/cli/host_facts.h"

namespace ftvm::cli {
namespace {

constexpr std::uint64_t kRamBytes = kRamBytesMin;
constexpr auto kMeasured = std::chrono::seconds(1);
constexpr std::uint64_t kSliceTicks = 2'000'000;

/// Arithmetic, a store and a branch, for ever:
///   again: inc rax; add rbx, rax; mov [0x200000], rbx; rol rbx, 7; dec ecx; jnz again; jmp again
constexpr std::array<std::uint8_t, 24> kLoop{0x48, 0xff, 0xc0, 0x48, 0x01, 0xc3, 0x48, 0x89,
                                             0x1c, 0x25, 0x00, 0x00, 0x20, 0x00, 0x48, 0xc1,
                                             0xc3, 0x07, 0xff, 0xc9, 0x75, 0xea, 0xeb, 0xe8};

/// Nothing comes in, nothing goes out, and it ends after kMeasured of host time.
class StopwatchWorld final : public World {
 public:
  Tick horizon(Tick now) override { return now.plus(kSliceTicks); }
  std::vector<Input> take_inputs(Tick, GuestTime, InputRoom) override { return {}; }
  Tick wait(Tick now, GuestTime, Tick) override { return now; }
  void grid_line(Tick, std::uint64_t, StateProbe&) override {}
  void emit(Output) override {}
  bool should_end(Tick, EndReason* reason) override {
    *reason = EndReason::kStopped;
    passed_ = std::chrono::steady_clock::now() - from_;
    return passed_ >= kMeasured;
  }
  void end(Tick, EndReason, const Digest&) override {}
  [[nodiscard]] double seconds() const { return std::chrono::duration<double>(passed_).count(); }

 private:
  std::chrono::steady_clock::time_point from_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::duration passed_{};
};

/// Millions of instructions a second.
Result<double> measure(Machine& machine) {
  devices::Board board({.ram_bytes = kRamBytes}, machine);
  machine.attach(board.devices());
  FTVM_TRY(machine.power_on(
      [](GuestMemory& memory, Cpu& cpu) { return boot::load_flat(kLoop, memory, cpu); }));
  StopwatchWorld world;
  FTVM_TRY(machine.run(world));
  return static_cast<double>(machine.cpu().retired()) / world.seconds() / 1e6;
}

/// Making an engine calibrates it; only then it is there at all.
void check_engine(EngineKind kind, const char* name, const Report& report) {
  Finding finding{.name = std::string("engine.") + name};
  const bool needed = kind == EngineKind::kPortable;
  auto machine = Machine::create({.ram_bytes = kRamBytes, .cpu = {.engine = kind}});
  Result<double> speed = machine ? measure(**machine) : Result<double>(machine.error());
  if (speed) {
    char text[96];
    std::snprintf(text, sizeof text, "calibrated; %.0f million instructions a second", *speed);
    finding.text = text;
  } else {
    finding.verdict = needed ? Verdict::kFail : Verdict::kWarn;
    finding.text = speed.error().message();
    finding.advice = needed ? "run ./dev setup, or install libunicorn 2.1.4 or newer"
                            : "the portable engine is used instead, about half as fast";
  }
  report(std::move(finding));
}

}  // namespace

void check_engines(const Report& report) {
  Dl_info place{};
  void* const symbol = ::dlsym(RTLD_DEFAULT, "uc_version");
  const bool found =
      symbol != nullptr && ::dladdr(symbol, &place) != 0 && place.dli_fname != nullptr;
  report({.name = "libunicorn",
          .verdict = found ? Verdict::kOk : Verdict::kFail,
          .text = engine_version() + ", " + (found ? place.dli_fname : "of unknown path")});
  check_engine(EngineKind::kAccelerated, "accelerated", report);
  check_engine(EngineKind::kPortable, "portable", report);
  char probe[17];
  std::snprintf(probe, sizeof probe, "%016llx", static_cast<unsigned long long>(libm_probe()));
  report({.name = "libm",
          .text = "probe " + std::string(probe) + "; a journal replays where it is the same"});
}

}  // namespace ftvm::cli
