// System control port B at 61h: gate and output of the speaker channel, the refresh toggle.
//
// Source: IBM PC/AT Technical Reference (1985), "System board I/O: port 61h". There is no speaker
// to be heard, and no parity or channel check error ever.
#pragma once

#include <cstdint>

#include "devices/pit.h"
#include "emulator/device.h"

namespace ftvm::devices {

class Port61 final : public Device {
 public:
  /// Lifetime: `pit` outlives the port.
  explicit Port61(Pit& pit) : pit_(pit) {}

  [[nodiscard]] std::string_view name() const override { return "port61"; }
  std::uint32_t read(std::uint16_t offset, unsigned size_bytes, const Now& now) override;
  void write(std::uint16_t offset, unsigned size_bytes, std::uint32_t value,
             const Now& now) override;
  void reset(const Now& now) override;
  void visit_state(StateVisitor& v) override;

 private:
  Pit& pit_;
  std::uint8_t written_ = 0;  // Low four bits.
};

}  // namespace ftvm::devices
