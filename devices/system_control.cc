#include "devices/system_control.h"

namespace ftvm::devices {
namespace {

constexpr std::uint8_t kFastReset = 0x01;  // Port 92h.
constexpr std::uint8_t kA20 = 0x02;

constexpr std::uint16_t kResetOffset = 1;  // CF9h from CF8h.
constexpr std::uint8_t kResetCpu = 0x04;
constexpr std::uint8_t kResetWritable = 0x0e;

}  // namespace

std::uint32_t SystemControl::read(std::uint16_t, unsigned, const Now&) {
  return static_cast<std::uint8_t>(written_ | (a20_.enabled ? kA20 : 0));
}

void SystemControl::write(std::uint16_t, unsigned, std::uint32_t value, const Now& now) {
  const bool rises = (value & kFastReset) != 0 && (written_ & kFastReset) == 0;
  a20_.enabled = (value & kA20) != 0;
  written_ = static_cast<std::uint8_t>(value & ~std::uint32_t{kA20});
  if (rises) power_.request_reset(now);
}

void SystemControl::reset(const Now&) {
  a20_ = {};
  written_ = 0;
}

void SystemControl::visit_state(StateVisitor& v) {
  v.field("a20", a20_.enabled);
  v.field("written", written_);
}

std::uint32_t ResetControl::read(std::uint16_t offset, unsigned size_bytes, const Now&) {
  return offset == kResetOffset && size_bytes == 1 ? value_ : ~0u;
}

void ResetControl::write(std::uint16_t offset, unsigned size_bytes, std::uint32_t value,
                         const Now& now) {
  if (offset != kResetOffset || size_bytes != 1) return;
  const bool rises = (value & kResetCpu) != 0 && (value_ & kResetCpu) == 0;
  value_ = static_cast<std::uint8_t>(value & kResetWritable);
  if (rises) power_.request_reset(now);
}

}  // namespace ftvm::devices
