// The way from a port that resets or ends the machine to the machine itself. What the guest has
// printed before still leaves: the outputs are drained one tick before the request takes effect.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "devices/chunked_output.h"
#include "emulator/device.h"

namespace ftvm::devices {

class PowerControl final : public Device {
 public:
  /// Lifetime: the machine and the outputs outlive this device.
  PowerControl(MachinePort& machine, std::vector<ChunkedOutput*> outputs)
      : machine_(machine), outputs_(std::move(outputs)) {}

  /// From a guest access; takes effect kAccessHoldTicks + 1 later. The first request wins.
  void request_reset(const Now& now);
  void request_end(EndReason reason, std::uint32_t exit_code, const Now& now);

  [[nodiscard]] std::string_view name() const override { return "power_control"; }
  /// It has no ports.
  std::uint32_t read(std::uint16_t, unsigned, const Now&) override { return ~0u; }
  void write(std::uint16_t, unsigned, std::uint32_t, const Now&) override {}
  std::span<Timer> timers() override { return {&drain_timer_, 1}; }
  void expire(Timer& timer, const Now& now) override;
  void reset(const Now&) override { drain_timer_.cancel(); }
  void visit_state(StateVisitor& v) override;

 private:
  Now drain_before(const Now& now);

  MachinePort& machine_;
  std::vector<ChunkedOutput*> outputs_;
  Timer drain_timer_;
};

}  // namespace ftvm::devices
