// What the simulator needs of a guest: a machine that runs under a World in turns. A turn ends when
// its node says so; the next one goes on in the middle of the same run.
#pragma once

#include "emulator/world.h"

namespace ftvm::ftcore::sim {

/// How far a vCPU may go before something else happens.
class Turn {
 public:
  virtual ~Turn() = default;
  /// Asked at every stop, behind World::should_end.
  [[nodiscard]] virtual bool over() const = 0;
  /// The tick where it will be over, if nothing else ends it.
  [[nodiscard]] virtual Tick target() const = 0;
};

class SimGuest {
 public:
  struct Ended {
    EndReason reason;
    Tick at;
    Digest state;
  };

  virtual ~SimGuest() = default;
  /// Until the turn or the run is over; true for the run, which is then over for good.
  virtual bool run(World& world, const Turn& turn) = 0;
  /// Precondition: the run is over.
  [[nodiscard]] virtual Ended ended() const = 0;
  /// An input that no machine could have been given: what of it, or empty.
  [[nodiscard]] virtual const char* refused() const { return ""; }
};

}  // namespace ftvm::ftcore::sim
