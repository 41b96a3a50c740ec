// When the node thread must be told something: only while it sleeps, and only of what it does not
// know. Told more often it turns in its loop, and a full host pays for that with the guest's time.
// Threading: none of its own; whoever owns it locks.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ftcore/protocol/message.h"

namespace ftvm::ftcore {

class NodeSleep {
 public:
  /// Before the thread sleeps until `due`. Returns for how long: whole milliseconds, at least 1, so
  /// it wakes up to 1 ms late.
  std::int64_t begins(HostTime due, HostTime now) {
    wakes_for_ = std::max(due, HostTime{1});
    return std::max<std::int64_t>(1, (due.ns - now.ns + kNsPerMs - 1) / kNsPerMs);
  }
  /// Awake it looks at everything before it sleeps again.
  void ends() { wakes_for_ = kAwake; }

  /// Somebody else left it something to do, or made something due. True when it must be told; it
  /// need not be told twice.
  bool must_be_told(bool something_to_do, HostTime due) {
    const bool told = wakes_for_ != kAwake && (something_to_do || due < wakes_for_);
    if (told) wakes_for_ = kAwake;
    return told;
  }

 private:
  static constexpr HostTime kAwake{};
  HostTime wakes_for_ = HostTime::never();
};

}  // namespace ftvm::ftcore
