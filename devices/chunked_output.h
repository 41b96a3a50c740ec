// Bytes a guest wrote one by one, gathered so that the journal gets one output for many of them: a
// chunk leaves half a millisecond of guest time after its first byte, or as soon as it is full.
#pragma once

#include <cstdint>

#include "emulator/device.h"

namespace ftvm::devices {

class ChunkedOutput {
 public:
  static constexpr std::uint64_t kWindowNs = 500'000;
  static constexpr std::size_t kChunkBytes = 1024;
  /// A full chunk leaves kAccessHoldTicks later, and no instruction writes more than four bytes.
  static constexpr std::size_t kWaitingBytesMax = kChunkBytes + 4 * kAccessHoldTicks;

  /// `timer` is one of the device's; it calls drain() when that one expires. Lifetime: both outlive
  /// this object.
  ChunkedOutput(Endpoint endpoint, MachinePort& machine, Timer& timer)
      : endpoint_(endpoint), machine_(machine), timer_(timer) {}

  /// From inside a guest access.
  void push(std::uint8_t byte, const Now& now);
  /// Emits what waits. Never inside a guest access: the effect is complete at the current tick.
  void drain();
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
  /// Stream offset of the next byte to be emitted: all that was emitted since power-on.
  [[nodiscard]] std::uint64_t emitted_bytes() const { return emitted_bytes_; }

  /// The timer is visited by its device.
  void visit_state(StateVisitor& v) {
    v.blob("waiting_output", waiting_, kWaitingBytesMax);
    v.field("emitted_bytes", emitted_bytes_);
  }

 private:
  Endpoint endpoint_;
  MachinePort& machine_;
  Timer& timer_;
  Bytes waiting_;
  std::uint64_t emitted_bytes_ = 0;
};

}  // namespace ftvm::devices
