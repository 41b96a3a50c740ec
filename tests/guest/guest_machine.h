// A machine with a board and one flat guest in it: what every test of the guest corpus runs on.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "devices/board.h"
#include "emulator/base/assert.h"
#include "emulator/base/file.h"
#include "emulator/boot/flat_loader.h"
#include "emulator/machine.h"
#include "emulator/state.h"

namespace ftvm::test {

inline constexpr std::uint64_t kGuestRamBytes = std::uint64_t{64} << 20;

/// A built guest of tests/guest, by the name of its source file.
inline Bytes guest_image(const std::string& name) {
  Result<Bytes> image =
      read_file(std::string(FTVM_GUEST_IMAGE_DIR) + "/" + name + ".bin", std::size_t{16} << 20);
  EXPECT_TRUE(image.has_value()) << name << ": " << (image ? "" : image.error().message());
  return image ? std::move(*image) : Bytes{0xf4};
}

/// All of a machine at one tick: what a snapshot holds, kept in memory.
struct SavedMachine {
  Bytes state;
  Bytes ram;
};

class GuestMachine {
 public:
  struct Options {
    EngineKind engine = EngineKind::kAccelerated;
    std::uint64_t grid_ticks = kGridTicks;
    std::uint64_t ram_bytes = kGuestRamBytes;
    std::uint32_t translation_buffer_bytes = 0;
    bool reboot_on_reset = true;
  };

  GuestMachine(const Options& options, Machine::Boot boot) {
    Machine::Options machine_options{
        .ram_bytes = options.ram_bytes,
        .cpu = {.engine = options.engine,
                .translation_buffer_bytes = options.translation_buffer_bytes},
        .grid_ticks = options.grid_ticks,
        .reboot_on_reset = options.reboot_on_reset};
    Result<std::unique_ptr<Machine>> made = Machine::create(machine_options);
    FTVM_ASSERT(made.has_value());
    machine_ = std::move(*made);
    // Digests read all of it, most of it untouched: that is 16'000 page faults, or 32.
    (void)::madvise(machine_->memory().data(), options.ram_bytes, MADV_HUGEPAGE);
    board_ = std::make_unique<devices::Board>(devices::BoardOptions{.ram_bytes = options.ram_bytes},
                                              *machine_);
    FTVM_ASSERT(board_->claim_ports(machine_->bus()).has_value());
    machine_->attach(board_->devices());
    const Status on = machine_->power_on(std::move(boot));
    EXPECT_TRUE(on.has_value()) << on.error().message();
  }
  GuestMachine(const Options& options, const Bytes& image)
      : GuestMachine(options, [image](GuestMemory& memory, Cpu& cpu) {
          return boot::load_flat(image, memory, cpu);
        }) {}

  [[nodiscard]] Machine& machine() { return *machine_; }
  [[nodiscard]] Cpu& cpu() { return machine_->cpu(); }

  RunResult run(World& world) {
    Result<RunResult> result = machine_->run(world);
    EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().message());
    return result ? *result : RunResult{EndReason::kDiverged, 0, Tick{}, Digest{}};
  }

  /// Only on a grid line, as Machine::visit_state asks.
  void save(SavedMachine* saved) {
    saved->state.clear();
    StateSaver saver(saved->state);
    machine_->visit_state(saver);
    const auto ram = machine_->memory().bytes();
    saved->ram.assign(ram.begin(), ram.end());
  }
  void load(const SavedMachine& saved) {
    StateLoader loader(saved.state);
    machine_->visit_state(loader);
    const Status status = loader.finish();
    EXPECT_TRUE(status.has_value()) << status.error().message();
    std::copy(saved.ram.begin(), saved.ram.end(), machine_->memory().data());
    machine_->state_loaded();
  }

 private:
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<devices::Board> board_;
};

}  // namespace ftvm::test
