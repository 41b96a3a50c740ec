#include "ftcore/campaign/flat_machine.h"

#include <sys/mman.h>

#include <cstdint>

#include "devices/board.h"
#include "emulator/base/assert.h"
#include "emulator/boot/flat_loader.h"
#include "emulator/machine.h"
#include "ftcore/sim/threaded_guest.h"

namespace ftvm::ftcore::campaign {
namespace {

constexpr std::uint64_t kRamBytes = std::uint64_t{64} << 20;
/// Often enough that a run of a tenth of a second crosses some grid lines.
constexpr std::uint64_t kShortGridTicks = 65'536;

class FlatMachine {
 public:
  static Result<std::unique_ptr<FlatMachine>> create(const Bytes& image) {
    auto flat = std::make_unique<FlatMachine>();
    flat->machine_ =
        FTVM_TRY(Machine::create({.ram_bytes = kRamBytes, .grid_ticks = kShortGridTicks}));
    Machine& machine = *flat->machine_;
    // Digests read all of it, most of it untouched: that is 16'000 page faults, or 32.
    (void)::madvise(machine.memory().data(), kRamBytes, MADV_HUGEPAGE);
    flat->board_ =
        std::make_unique<devices::Board>(devices::BoardOptions{.ram_bytes = kRamBytes}, machine);
    FTVM_TRY(flat->board_->claim_ports(machine.bus()));
    machine.attach(flat->board_->devices());
    FTVM_TRY(machine.power_on(
        [&image](GuestMemory& memory, Cpu& cpu) { return boot::load_flat(image, memory, cpu); }));
    return flat;
  }
  Machine& machine() { return *machine_; }

 private:
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<devices::Board> board_;
};

}  // namespace

Status check_flat_machine(const Bytes& image) {
  FTVM_TRY(FlatMachine::create(image));
  return {};
}

std::unique_ptr<sim::SimGuest> flat_machine(const Bytes& image, PlantedBug bug) {
  return std::make_unique<sim::ThreadedGuest>([&image, bug](World& world) -> sim::SimGuest::Ended {
    plant(bug);  // The thread is this guest's alone.
    auto flat = FlatMachine::create(image);
    FTVM_ASSERT(flat.has_value());
    const Result<RunResult> result = (*flat)->machine().run(world);
    // An input that does not fit its machine: the worlds have not kept what they promise.
    FTVM_ASSERT(result.has_value());
    return {result->reason, result->at, result->state};
  });
}

}  // namespace ftvm::ftcore::campaign
