// What the tests of devices/host share: bytes from text, frames, waiting for another thread without
// guessing how long it takes, and a host clock that only moves when told.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "devices/host/host_clock.h"
#include "devices/host/numbered_protocol.h"
#include "emulator/base/bytes.h"

namespace ftvm::devices::host {

inline Bytes bytes_of(std::string_view text) {
  return Bytes(text.begin(), text.end());
}
inline std::string text_of(ByteView bytes) {
  return std::string(bytes.begin(), bytes.end());
}

/// Precondition: whole frames of the numbered console.
inline std::vector<ConsoleMessage> decode_all(ByteView bytes) {
  ConsoleFrameReader reader;
  reader.push(bytes);
  std::vector<ConsoleMessage> messages;
  for (;;) {
    auto next = reader.next();
    EXPECT_TRUE(next) << next.error().message();
    if (!next || !next->has_value()) return messages;
    messages.push_back(**std::move(next));
  }
}

/// Waits for a condition that another thread makes true; false after a minute, which is an error
/// and not a slow host.
inline bool eventually(const std::function<bool()>& condition) {
  constexpr std::uint64_t kPatienceNs = 60'000'000'000;
  HostClock clock;
  const WakeEvent nothing;
  const HostTime give_up{clock.now().ns + kPatienceNs};
  while (!condition()) {
    if (clock.now() > give_up) return false;
    clock.wait_until({clock.now().ns + 1'000'000}, nothing);
  }
  return true;
}

/// Sleeping takes no time: it moves the clock to the deadline, and `late_ns` beyond it. A test may
/// do something in the middle of a sleep.
class InventedClock final : public HostClock {
 public:
  HostTime now() override { return now_; }
  void wait_until(HostTime deadline, const WakeEvent& wake) override {
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
