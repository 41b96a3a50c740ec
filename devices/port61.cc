#include "devices/port61.h"

namespace ftvm::devices {
namespace {

constexpr std::uint8_t kGate2 = 0x01;
constexpr std::uint8_t kWritable = 0x0f;
constexpr std::uint8_t kRefreshToggle = 0x10;
constexpr std::uint8_t kOut2 = 0x20;

}  // namespace

std::uint32_t Port61::read(std::uint16_t, unsigned, const Now& now) {
  std::uint8_t value = written_;
  if (pit_.refresh_toggle(now.time)) value |= kRefreshToggle;
  if (pit_.out2(now.time)) value |= kOut2;
  return value;
}

void Port61::write(std::uint16_t, unsigned, std::uint32_t value, const Now& now) {
  written_ = value & kWritable;
  pit_.set_gate2((written_ & kGate2) != 0, now);
}

void Port61::reset(const Now& now) {
  written_ = 0;
  pit_.set_gate2(false, now);
}

void Port61::visit_state(StateVisitor& v) {
  v.field("written", written_);
}

}  // namespace ftvm::devices
