// A flag that a sleeping thread can poll: one eventfd. Whoever sets it may be another thread or a
// signal handler.
//
// Source: eventfd(2), signal-safety(7).
#pragma once

#include "emulator/base/scoped_fd.h"

namespace ftvm::devices::host {

class WakeEvent {
 public:
  /// Aborts when the host has no descriptor left: nothing could ever be stopped then.
  WakeEvent();

  /// Sets the flag. Threading: any thread, any signal handler; errno survives.
  void notify() const;
  /// Clears the flag and says whether it was set. Never blocks.
  bool drain() const;
  /// Readable while the flag is set. Lifetime: owned here.
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  ScopedFd fd_;
};

}  // namespace ftvm::devices::host
