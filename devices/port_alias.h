// A second range of ports of a device: a range's offsets start at 0, so a device with several
// ranges needs to be told which one was touched. Has no state; not in the list of devices.
#pragma once

#include <cstdint>
#include <string_view>

#include "emulator/device.h"

namespace ftvm::devices {

class PortAlias final : public Device {
 public:
  /// Port 0 of this range is `first_offset` of `target`. Lifetime: target outlives the alias.
  PortAlias(Device& target, std::uint16_t first_offset)
      : target_(target), first_offset_(first_offset) {}

  [[nodiscard]] std::string_view name() const override { return target_.name(); }
  [[nodiscard]] unsigned width_bytes() const override { return target_.width_bytes(); }
  std::uint32_t read(std::uint16_t offset, unsigned size_bytes, const Now& now) override {
    return target_.read(translate(offset), size_bytes, now);
  }
  void write(std::uint16_t offset, unsigned size_bytes, std::uint32_t value,
             const Now& now) override {
    target_.write(translate(offset), size_bytes, value, now);
  }
  void reset(const Now&) override {}
  void visit_state(StateVisitor&) override {}

 private:
  [[nodiscard]] std::uint16_t translate(std::uint16_t offset) const {
    return static_cast<std::uint16_t>(first_offset_ + offset);
  }
  Device& target_;
  std::uint16_t first_offset_;
};

}  // namespace ftvm::devices
