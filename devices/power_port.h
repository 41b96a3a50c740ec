// Power-off port at 604h, 16 bits: a write with bit 13 (SLP_EN) set and sleep type 0 turns the
// machine off. There is no ACPI behind it, only this one register.
//
// Source: Intel 82371AB (PIIX4) data sheet, 7.4 "PMCNTRL", at the address where QEMU's PC has it;
// ACPI specification, "PM1 control registers".
#pragma once

#include <cstdint>

#include "devices/power_control.h"
#include "emulator/device.h"

namespace ftvm::devices {

class PowerPort final : public Device {
 public:
  /// Lifetime: `power` outlives the port.
  explicit PowerPort(PowerControl& power) : power_(power) {}

  [[nodiscard]] std::string_view name() const override { return "power_port"; }
  [[nodiscard]] unsigned width_bytes() const override { return 2; }
  std::uint32_t read(std::uint16_t, unsigned, const Now&) override { return 0; }
  void write(std::uint16_t offset, unsigned size_bytes, std::uint32_t value,
             const Now& now) override {
    constexpr std::uint32_t kSleepTypeAndEnable = 0x3c00;
    constexpr std::uint32_t kSoftOff = 0x2000;
    if (offset == 0 && size_bytes == 2 && (value & kSleepTypeAndEnable) == kSoftOff) {
      power_.request_end(EndReason::kPowerOff, 0, now);
    }
  }
  void reset(const Now&) override {}
  void visit_state(StateVisitor&) override {}

 private:
  PowerControl& power_;
};

}  // namespace ftvm::devices
