#include "ftcore/cli/resume.h"

#include <chrono>

namespace ftvm::cli {

std::optional<GuestTime> time_to_catch_up_with(const StartPoint& start,
                                               const replay::MachineIdentity& identity,
                                               bool time_given, std::int64_t unix_ns) {
  constexpr std::int64_t kNsPerSecond = 1'000'000'000;
  if (start.at_power_on() || !shows_host_time(start, identity, time_given)) return std::nullopt;
  const std::int64_t boot_unix_s = identity.boot_unix_s;
  if (boot_unix_s < 0 || boot_unix_s > unix_ns / kNsPerSecond) return std::nullopt;
  return GuestTime{static_cast<std::uint64_t>(unix_ns - boot_unix_s * kNsPerSecond)};
}

void resume(devices::host::LiveWorld& world, GuestMachine& guest) {
  const devices::Uart& console = guest.board().console();
  world.set_console_offsets(console.next_input_offset(), console.next_output_offset());
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  const auto unix_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(since_1970).count();
  const auto time =
      time_to_catch_up_with(guest.start(), guest.identity(), guest.time_given(), unix_ns);
  // A guest that is ahead, because its host's clock was, is not held until the host has caught up.
  if (time && *time > guest.machine().now().time) world.anchor_clock(*time);
}

}  // namespace ftvm::cli
