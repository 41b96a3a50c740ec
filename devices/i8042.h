// Intel 8042 keyboard controller at 60h and 64h, with neither keyboard nor mouse plugged in: what a
// kernel probes, the A20 gate, and the reset pulse.
//
// Source: IBM PC/AT Technical Reference (1985), "Keyboard controller"; IBM PS/2 Hardware Interface
// Technical Reference, "Keyboard and auxiliary device controller". A byte sent to a device that is
// not there is answered at once with FEh and the time-out bit, so a probe does not have to wait.
// There is one port only: the second one's test fails.
#pragma once

#include <array>
#include <cstdint>

#include "devices/a20_gate.h"
#include "devices/power_control.h"
#include "emulator/device.h"

namespace ftvm::devices {

class I8042 final : public Device {
 public:
  /// Offset of port 64h; port 60h is offset 0.
  static constexpr std::uint16_t kCommandOffset = 1;

  /// Lifetime: all outlive the controller. The gate is visited by SystemControl.
  I8042(IrqSink& irqs, A20Gate& a20, PowerControl& power) : irqs_(irqs), a20_(a20), power_(power) {}

  [[nodiscard]] std::string_view name() const override { return "i8042"; }
  std::uint32_t read(std::uint16_t offset, unsigned size_bytes, const Now& now) override;
  void write(std::uint16_t offset, unsigned size_bytes, std::uint32_t value,
             const Now& now) override;
  void reset(const Now& now) override;
  void visit_state(StateVisitor& v) override;

 private:
  void command(std::uint8_t value, const Now& now);
  void data(std::uint8_t value, const Now& now);
  void answer(std::uint8_t value, std::uint8_t status_bits);
  void write_output_port(std::uint8_t value, const Now& now);
  [[nodiscard]] std::uint8_t output_port() const;
  void update_irq();

  IrqSink& irqs_;
  A20Gate& a20_;
  PowerControl& power_;
  // State.
  std::uint8_t status_ = 0;
  std::uint8_t output_ = 0;   // Byte for the guest, valid with the status's output-full bit.
  std::uint8_t command_ = 0;  // Command that waits for its data byte; 0 for the keyboard.
  std::array<std::uint8_t, 32> ram_{};  // Byte 0 is the command byte.
};

}  // namespace ftvm::devices
