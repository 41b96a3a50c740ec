#include "devices/board.h"

namespace ftvm::devices {
namespace {

std::string hex(std::uint32_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (; value != 0 || text.empty(); value >>= 4) text.insert(text.begin(), kDigits[value & 15]);
  return text;
}

}  // namespace

Board::Board(const BoardOptions& options, MachinePort& machine)
    : options_(options),
      pit_(pic_),
      port61_(pit_),
      rtc_({.boot_unix_s = options.boot_unix_s, .ram_bytes = options.ram_bytes}, pic_),
      uart0_({.name = "uart0", .irq = 4, .connected = true}, pic_, machine),
      uart1_({.name = "uart1", .irq = 3, .connected = false}, pic_, machine),
      debug_console_(machine),
      power_control_(machine, {&uart0_.output(), &debug_console_.output()}),
      i8042_(pic_, a20_, power_control_),
      system_control_(a20_, power_control_),
      reset_control_(power_control_),
      debug_exit_(power_control_),
      power_port_(power_control_) {
  add(pic_, 0x20, 2, Pic::kMasterOffset);
  add(pic_, 0xa0, 2, Pic::kSlaveOffset);
  add(pic_, 0x4d0, 2, Pic::kElcrOffset);
  add(pit_, 0x40, 4);
  add(port61_, 0x61, 1);
  add(rtc_, 0x70, 2);
  add(uart0_, 0x3f8, 8);
  add(uart1_, 0x2f8, 8);
  add(debug_console_, 0xe9, 1);
  add(debug_console_, 0x402, 1);
  add(i8042_, 0x60, 1);
  add(i8042_, 0x64, 1, I8042::kCommandOffset);
  add(system_control_, 0x92, 1);
  add(reset_control_, 0xcf8, 4);
  add(debug_exit_, 0x501, 4);
  add(power_port_, 0x604, 2);
  add(post_port_, 0x80, 1);
}

void Board::add(Device& device, std::uint16_t base, std::uint16_t count,
                std::uint16_t first_offset) {
  Device* target = &device;
  if (first_offset != 0) {
    aliases_.push_back(std::make_unique<PortAlias>(device, first_offset));
    target = aliases_.back().get();
  }
  ranges_.push_back({.device = target, .base = base, .count = count});
}

Status Board::claim_ports(PortBus& bus) {
  for (const PortRange& range : ranges_) {
    FTVM_TRY(bus.claim(*range.device, range.base, range.count));
  }
  return {};
}

DeviceList Board::devices() {
  return {.devices = {&pic_, &pit_, &port61_, &rtc_, &uart0_, &uart1_, &debug_console_,
                      &power_control_, &i8042_, &system_control_, &reset_control_, &debug_exit_,
                      &power_port_, &post_port_},
          .endpoints = {&uart0_},
          .interrupts = &pic_};
}

std::string Board::describe() const {
  std::string text = "ftvm-pc 1\n";
  for (const PortRange& range : ranges_) {
    text.append(range.device->name()).append(" ports ").append(hex(range.base)).append("+");
    text.append(std::to_string(range.count)).append("\n");
  }
  text.append("ram_bytes ").append(std::to_string(options_.ram_bytes)).append("\n");
  return text;
}

}  // namespace ftvm::devices
