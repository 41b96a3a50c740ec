// ISA debug exit at 501h: a guest ends the run with an exit code.
//
// Source: QEMU documentation, "isa-debug-exit": the code is (value << 1) | 1, never 0.
#pragma once

#include <cstdint>

#include "devices/power_control.h"
#include "emulator/device.h"

namespace ftvm::devices {

class DebugExit final : public Device {
 public:
  /// Lifetime: `power` outlives the port.
  explicit DebugExit(PowerControl& power) : power_(power) {}

  [[nodiscard]] std::string_view name() const override { return "debug_exit"; }
  [[nodiscard]] unsigned width_bytes() const override { return 4; }
  std::uint32_t read(std::uint16_t, unsigned, const Now&) override { return ~0u; }
  void write(std::uint16_t offset, unsigned, std::uint32_t value, const Now& now) override {
    if (offset == 0) power_.request_end(EndReason::kDebugExit, (value << 1) | 1, now);
  }
  void reset(const Now&) override {}
  void visit_state(StateVisitor&) override {}

 private:
  PowerControl& power_;
};

}  // namespace ftvm::devices
