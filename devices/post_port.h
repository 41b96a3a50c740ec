// Port 80h, where firmware shows how far it has come and kernels write to pass a microsecond.
//
// Source: IBM PC/AT Technical Reference (1985), manufacturing checkpoint port.
#pragma once

#include <cstdint>

#include "emulator/device.h"

namespace ftvm::devices {

class PostPort final : public Device {
 public:
  [[nodiscard]] std::string_view name() const override { return "post_port"; }
  std::uint32_t read(std::uint16_t, unsigned, const Now&) override { return code_; }
  void write(std::uint16_t, unsigned, std::uint32_t value, const Now&) override {
    code_ = static_cast<std::uint8_t>(value);
  }
  void reset(const Now&) override { code_ = 0; }
  void visit_state(StateVisitor& v) override { v.field("code", code_); }

 private:
  std::uint8_t code_ = 0;
};

}  // namespace ftvm::devices
