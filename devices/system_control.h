// The chipset's two other ways to reset the processor: system control port A at 92h (which also
// shows the A20 gate) and the reset control register at CF9h.
//
// Source: IBM PS/2 Technical Reference, "System control port A"; Intel 82371AB (PIIX4) data sheet,
// 4.2.5 "RC: reset control register". Every reset is a reset of the whole machine.
#pragma once

#include <cstdint>

#include "devices/a20_gate.h"
#include "devices/power_control.h"
#include "emulator/device.h"

namespace ftvm::devices {

/// Visits the A20 gate it shares with the keyboard controller.
class SystemControl final : public Device {
 public:
  /// Lifetime: both outlive the device.
  SystemControl(A20Gate& a20, PowerControl& power) : a20_(a20), power_(power) {}

  [[nodiscard]] std::string_view name() const override { return "system_control"; }
  std::uint32_t read(std::uint16_t offset, unsigned size_bytes, const Now& now) override;
  void write(std::uint16_t offset, unsigned size_bytes, std::uint32_t value,
             const Now& now) override;
  void reset(const Now& now) override;
  void visit_state(StateVisitor& v) override;

 private:
  A20Gate& a20_;
  PowerControl& power_;
  std::uint8_t written_ = 0;  // Bits that are only remembered, and the fast reset bit.
};

/// CF9h lies inside the PCI address register at CF8h, and only a byte access means it: the range is
/// CF8h to CFBh, and everything else in it is not there.
class ResetControl final : public Device {
 public:
  /// Lifetime: `power` outlives the register.
  explicit ResetControl(PowerControl& power) : power_(power) {}

  [[nodiscard]] std::string_view name() const override { return "reset_control"; }
  [[nodiscard]] unsigned width_bytes() const override { return 4; }
  std::uint32_t read(std::uint16_t offset, unsigned size_bytes, const Now& now) override;
  void write(std::uint16_t offset, unsigned size_bytes, std::uint32_t value,
             const Now& now) override;
  void reset(const Now&) override { value_ = 0; }
  void visit_state(StateVisitor& v) override { v.field("value", value_); }

 private:
  PowerControl& power_;
  std::uint8_t value_ = 0;
};

}  // namespace ftvm::devices
