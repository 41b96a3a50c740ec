// The real machine as a guest of the simulator: board, CPU and a flat image that fills its time.
#pragma once

#include <memory>

#include "emulator/base/bytes.h"
#include "emulator/base/planted_bug.h"
#include "emulator/base/result.h"
#include "ftcore/sim/sim_guest.h"

namespace ftvm::ftcore::campaign {

/// Checks once what flat_machine() takes for granted. Errors: kBadData, kUnsupported, kIo.
Status check_flat_machine(const Bytes& image);

/// Lifetime: `image` outlives the guest. `bug`: planted in this machine.
std::unique_ptr<sim::SimGuest> flat_machine(const Bytes& image, PlantedBug bug);

}  // namespace ftvm::ftcore::campaign
