// The host side of the guest's console: where typed bytes come from and where printed bytes go.
// Terminals, sockets, the numbered console and test scripts are all this to the machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "emulator/base/bytes.h"
#include "emulator/world.h"

namespace ftvm::devices::host {

/// Threading: every method may be called from any thread; none of them ever blocks.
class ConsoleEndpoint {
 public:
  virtual ~ConsoleEndpoint() = default;

  /// Appends at most `max` typed bytes to `out` and forgets them; returns how many. What is left
  /// over is kept for the next call.
  virtual std::size_t take_input(Bytes& out, std::size_t max) = 0;

  /// Output that may be seen. Range: `offset` is the count of console bytes before these since
  /// power-on; the same bytes may come again after a failover.
  virtual void write(std::uint64_t offset, ByteView bytes) = 0;

  /// Calls `wakeup` whenever input arrives, from any thread; pass nullptr to stop that. When the
  /// call returns the former function is not running and never will again. `wakeup` must not call
  /// back into the endpoint.
  virtual void set_wakeup(std::function<void()> wakeup) = 0;

  /// Input before `offset` has reached the guest for good: on a protected machine the backup has
  /// acknowledged it. Endpoints without a repeating client have no use for it.
  virtual void confirm_input(std::uint64_t offset) { (void)offset; }

  /// Output before this is with a receiver that outlives this process. Range: never falls; nothing
  /// for endpoints whose receivers do not say.
  [[nodiscard]] virtual std::uint64_t confirmed_output() { return 0; }

  /// The machine has ended. Output written before is still delivered as far as the host can.
  virtual void end(EndReason reason) { (void)reason; }
};

}  // namespace ftvm::devices::host
