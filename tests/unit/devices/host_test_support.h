// What the tests of devices/host share: bytes from text, waiting for another thread without
// guessing how long it takes, and a host clock that only moves when told.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "devices/host/host_clock.h"
#include "emulator/base/bytes.h"

namespace ftvm::devices::host {

inline Bytes bytes_of(std::string_view text) {
  return Bytes(text.begin(), text.end());
}
inline std::string text_of(ByteView bytes) {
  return std::string(bytes.begin(), bytes.end());
}

/// Waits for a condition that another thread makes true; false after a minute, which is an error
/// and not a slow host.
inline bool eventually(const std::function<bool()>& condition) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

/// Sleeping takes no time: it moves the clock to the deadline, and `late_ns` beyond it. A test may
/// do something in the middle of a sleep.
class InventedClock final : public HostClock {
 public:
  HostTime now() override { return now_; }
  void sleep_until(HostTime deadline, const WakeEvent& wake) override {
    ++sleeps;
    if (in_sleep) in_sleep();
    if (wake.drain()) return;
    if (deadline == HostTime::never()) {
      forever = true;
    } else if (deadline > now_) {
      now_.ns = deadline.ns + late_ns;
    }
  }
  void pass(std::uint64_t ns) { now_.ns += ns; }

  std::function<void()> in_sleep;
  std::uint64_t late_ns = 0;
  int sleeps = 0;
  bool forever = false;  // Somebody slept with nothing to wake it.

 private:
  HostTime now_{1'000'000'000'000};
};

}  // namespace ftvm::devices::host
