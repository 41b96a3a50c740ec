// The sleep that a vCPU owes for running at less than full duty. A host sleeps longer than it is
// asked to, by some 60 us, so small debts are gathered, and what was slept too long counts for the
// next. Threading: none of its own.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace ftvm::ftcore {

class DutyDebt {
 public:
  using Duration = std::chrono::nanoseconds;
  /// No sleep is shorter: what a host adds is a few per cent of it.
  static constexpr Duration kShortest = std::chrono::milliseconds(1);
  /// Nor longer: the detection time stays far away.
  static constexpr Duration kLongest = std::chrono::milliseconds(50);

  /// After running so long. `duty`: above 0, at most 1. Returns how long to sleep now, zero for not
  /// yet.
  Duration ran(Duration time, double duty) {
    const double share = static_cast<double>(time.count()) * (1 - duty) / duty;
    owed_ = std::min(owed_ + Duration(static_cast<std::int64_t>(share)), kLongest);
    return owed_ < kShortest ? Duration::zero() : owed_;
  }
  void slept(Duration time) { owed_ = std::max(owed_ - time, -kShortest); }
  void forgive() { owed_ = Duration::zero(); }

 private:
  Duration owed_{};
};

}  // namespace ftvm::ftcore
