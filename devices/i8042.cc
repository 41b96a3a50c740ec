#include "devices/i8042.h"

namespace ftvm::devices {
namespace {

constexpr std::uint8_t kOutputFull = 0x01;  // Status register.
constexpr std::uint8_t kSystemFlag = 0x04;
constexpr std::uint8_t kCommandWritten = 0x08;
constexpr std::uint8_t kNotLocked = 0x10;
constexpr std::uint8_t kFromMouse = 0x20;
constexpr std::uint8_t kTimeOut = 0x40;
constexpr std::uint8_t kAnswerBits = kOutputFull | kFromMouse | kTimeOut;

constexpr std::uint8_t kKeyboardInterrupt = 0x01;  // Command byte.
constexpr std::uint8_t kCommandSystemFlag = 0x04;
constexpr std::uint8_t kKeyboardDisabled = 0x10;
constexpr std::uint8_t kMouseDisabled = 0x20;

enum Command : std::uint8_t {
  kReadRam = 0x20,   // To 3Fh; the low five bits are the address.
  kWriteRam = 0x60,  // To 7Fh.
  kDisableMouse = 0xa7,
  kEnableMouse = 0xa8,
  kTestMouse = 0xa9,
  kSelfTest = 0xaa,
  kTestKeyboard = 0xab,
  kDisableKeyboard = 0xad,
  kEnableKeyboard = 0xae,
  kReadInputPort = 0xc0,
  kReadOutputPort = 0xd0,
  kWriteOutputPort = 0xd1,
  kLoopKeyboard = 0xd2,
  kLoopMouse = 0xd3,
  kWriteMouse = 0xd4,
  kDisableA20 = 0xdd,
  kEnableA20 = 0xdf,
  kPulseFirst = 0xf0,  // To FFh; a zero bit pulses that line of the output port.
};

constexpr std::uint8_t kSelfTestPassed = 0x55;
constexpr std::uint8_t kKeyboardPortWorks = 0x00;
constexpr std::uint8_t kMouseClockStuck = 0x01;
constexpr std::uint8_t kNotLockedInput = 0x80;
constexpr std::uint8_t kNoReset = 0x01;  // Output port, active low.
constexpr std::uint8_t kA20Line = 0x02;
constexpr std::uint8_t kOutputFullLine = 0x10;
constexpr std::uint8_t kOutputPortRest = 0xc0;  // Keyboard clock and data, idle.
constexpr std::uint8_t kResend = 0xfe;
constexpr std::uint8_t kRamMask = 0x1f;
constexpr unsigned kIrq = 1;

}  // namespace

void I8042::update_irq() {
  const bool full = (status_ & kOutputFull) != 0 && (status_ & kFromMouse) == 0;
  irqs_.set_irq(kIrq, full && (ram_[0] & kKeyboardInterrupt) != 0);
}

void I8042::answer(std::uint8_t value, std::uint8_t status_bits) {
  output_ = value;
  status_ = static_cast<std::uint8_t>((status_ & ~kAnswerBits) | kOutputFull | status_bits);
}

std::uint8_t I8042::output_port() const {
  return static_cast<std::uint8_t>(kOutputPortRest | kNoReset | (a20_.enabled ? kA20Line : 0) |
                                   ((status_ & kOutputFull) ? kOutputFullLine : 0));
}

void I8042::write_output_port(std::uint8_t value, const Now& now) {
  a20_.enabled = (value & kA20Line) != 0;
  if ((value & kNoReset) == 0) power_.request_reset(now);
}

void I8042::command(std::uint8_t value, const Now& now) {
  status_ |= kCommandWritten;
  command_ = 0;
  if (value >= kPulseFirst) {
    if ((value & kNoReset) == 0) power_.request_reset(now);
    return;
  }
  if (value >= kReadRam && value <= (kReadRam | kRamMask)) {
    answer(ram_[value & kRamMask], 0);
    return;
  }
  if (value >= kWriteRam && value <= (kWriteRam | kRamMask)) {
    command_ = value;
    return;
  }
  switch (value) {
    case kDisableMouse:
      ram_[0] |= kMouseDisabled;
      break;
    case kEnableMouse:
      ram_[0] &= static_cast<std::uint8_t>(~kMouseDisabled);
      break;
    case kTestMouse:
      answer(kMouseClockStuck, 0);
      break;
    case kSelfTest:
      status_ |= kSystemFlag;
      answer(kSelfTestPassed, 0);
      break;
    case kTestKeyboard:
      answer(kKeyboardPortWorks, 0);
      break;
    case kDisableKeyboard:
      ram_[0] |= kKeyboardDisabled;
      break;
    case kEnableKeyboard:
      ram_[0] &= static_cast<std::uint8_t>(~kKeyboardDisabled);
      break;
    case kReadInputPort:
      answer(kNotLockedInput, 0);
      break;
    case kReadOutputPort:
      answer(output_port(), 0);
      break;
    case kWriteOutputPort:
    case kLoopKeyboard:
    case kLoopMouse:
    case kWriteMouse:
      command_ = value;
      break;
    case kDisableA20:
    case kEnableA20:
      a20_.enabled = value == kEnableA20;
      break;
    default:  // Unknown commands are ignored.
      break;
  }
}

void I8042::data(std::uint8_t value, const Now& now) {
  const std::uint8_t command = command_;
  command_ = 0;
  status_ &= static_cast<std::uint8_t>(~kCommandWritten);
  switch (command) {
    case 0:  // For the keyboard; sending enables its port.
      ram_[0] &= static_cast<std::uint8_t>(~kKeyboardDisabled);
      answer(kResend, kTimeOut);
      return;
    case kWriteOutputPort:
      write_output_port(value, now);
      return;
    case kLoopKeyboard:
    case kLoopMouse:  // With no second port the byte comes back as the keyboard's.
      answer(value, 0);
      return;
    case kWriteMouse:
      answer(kResend, kTimeOut);
      return;
    default:
      ram_[command & kRamMask] = value;
      if ((command & kRamMask) != 0) return;
      status_ = static_cast<std::uint8_t>((status_ & ~kSystemFlag) |
                                          ((value & kCommandSystemFlag) ? kSystemFlag : 0));
      return;
  }
}

std::uint32_t I8042::read(std::uint16_t offset, unsigned, const Now&) {
  if (offset == kCommandOffset) return status_;
  status_ &= static_cast<std::uint8_t>(~kAnswerBits);
  update_irq();
  return output_;
}

void I8042::write(std::uint16_t offset, unsigned, std::uint32_t value, const Now& now) {
  const auto byte = static_cast<std::uint8_t>(value);
  if (offset == kCommandOffset) {
    command(byte, now);
  } else {
    data(byte, now);
  }
  update_irq();
}

void I8042::reset(const Now&) {
  status_ = kNotLocked;
  output_ = 0;
  command_ = 0;
  ram_ = {};
  ram_[0] = kKeyboardDisabled | kMouseDisabled;
  update_irq();
}

void I8042::visit_state(StateVisitor& v) {
  v.field("status", status_);
  v.field("output", output_);
  v.field("command", command_);
  v.field("ram", ram_);
}

}  // namespace ftvm::devices
