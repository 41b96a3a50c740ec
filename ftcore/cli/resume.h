// Tells a live World where its machine stands: nowhere yet at power-on, in the middle of two
// console streams and at some guest time when it was loaded from a snapshot.
#pragma once

#include <cstdint>
#include <optional>

#include "devices/host/live_world.h"
#include "emulator/base/units.h"
#include "ftcore/cli/guest_machine.h"

namespace ftvm::cli {

/// Guest time at the host's `unix_ns`, for a machine that showed the host's time at its snapshot
/// and does so again: what passed in between is made up for by one step. Nothing for any other,
/// whose time goes on from where it stood.
std::optional<GuestTime> time_to_catch_up_with(const StartPoint& start,
                                               const replay::MachineIdentity& identity,
                                               bool time_given, std::int64_t unix_ns);

/// Before the run.
void resume(devices::host::LiveWorld& world, GuestMachine& guest);

}  // namespace ftvm::cli
