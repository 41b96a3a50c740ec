// When to ask again somebody who did not answer. Pure: the caller brings the time.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ftcore/protocol/message.h"

namespace ftvm::ftcore {

/// Doubles from 100 ms up to 5 s. There is no last try: giving up would be guessing.
class Backoff {
 public:
  static constexpr std::int64_t kFirstNs = 100 * kNsPerMs;
  static constexpr std::int64_t kMaxNs = 5'000 * kNsPerMs;

  void reset() { *this = {}; }
  /// A try failed: the next one is due a while from now.
  void postpone(HostTime now) {
    due_at_ = {now.ns + wait_ns_};
    wait_ns_ = std::min(2 * wait_ns_, kMaxNs);
  }
  [[nodiscard]] bool due(HostTime now) const { return now >= due_at_; }

 private:
  std::int64_t wait_ns_ = kFirstNs;
  HostTime due_at_;
};

}  // namespace ftvm::ftcore
