// The outside of a machine that may have followed another one before it goes live: a World that can
// be told where it takes over. LiveWorld is the real one; tests script theirs.
#pragma once

#include <cstdint>

#include "emulator/world.h"

namespace ftvm::devices::host {

class Outside : public World {
 public:
  /// Where the console's streams stand, for a machine that does not start at power-on. Before it
  /// takes an input or makes an output here.
  virtual void set_console_offsets(std::uint64_t input, std::uint64_t output) = 0;
  /// While following, at each ClockSync of the live machine: guest time had got there.
  virtual void observe_clock(GuestTime time) = 0;
  /// The operator asked for an end; should_end() says which.
  [[nodiscard]] virtual bool stop_requested() const = 0;
};

}  // namespace ftvm::devices::host
