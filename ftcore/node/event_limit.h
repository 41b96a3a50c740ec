// Keeps a diagnostic event that strangers can cause from filling the disk: one a second is said,
// with the number of those that were not.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "ftcore/protocol/message.h"

namespace ftvm::ftcore {

class EventLimit {
 public:
  static constexpr std::int64_t kPeriodNs = 1'000 * kNsPerMs;

  /// It happened at `now`. Nothing: do not say it. Else say it, and how many were not said since
  /// the last that was.
  std::optional<std::uint64_t> admit(HostTime now) {
    if (said_at_ && now.ns - said_at_->ns < kPeriodNs) {
      ++unsaid_;
      return std::nullopt;
    }
    said_at_ = now;
    return std::exchange(unsaid_, 0);
  }

 private:
  std::optional<HostTime> said_at_;
  std::uint64_t unsaid_ = 0;
};

}  // namespace ftvm::ftcore
