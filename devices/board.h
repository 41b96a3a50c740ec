// The PC itself: which devices there are, at which ports, on which lines, in which order. Order is
// behaviour (timers due at one tick fire in it, state is visited in it), so the list is explicit.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "devices/a20_gate.h"
#include "devices/cmos_rtc.h"
#include "devices/debug_console.h"
#include "devices/debug_exit.h"
#include "devices/i8042.h"
#include "devices/pic.h"
#include "devices/pit.h"
#include "devices/port61.h"
#include "devices/port_alias.h"
#include "devices/post_port.h"
#include "devices/power_control.h"
#include "devices/power_port.h"
#include "devices/system_control.h"
#include "devices/uart.h"
#include "emulator/bus.h"
#include "emulator/device.h"
#include "emulator/machine.h"

namespace ftvm::devices {

/// Part of the journal header: two machines are replicas only with the same options.
struct BoardOptions {
  /// Time of day at power-on. Units: seconds since 1970-01-01 UTC.
  std::int64_t boot_unix_s = 946'684'800;  // 2000-01-01.
  /// Size of the guest's RAM, for the CMOS bytes that tell it.
  std::uint64_t ram_bytes = std::uint64_t{256} << 20;
};

class Board {
 public:
  /// Lifetime: `machine` outlives the board.
  Board(const BoardOptions& options, MachinePort& machine);
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;

  /// Claims every port of every device. Errors: kUsage when somebody else has one of them.
  Status claim_ports(PortBus& bus);

  /// What the machine needs. Lifetime: pointers into this board.
  [[nodiscard]] DeviceList devices();

  /// One line per range of ports and per option: the same text means the same board. The time of
  /// day at power-on is not in it: journals and peers compare it by itself.
  [[nodiscard]] std::string describe() const;

  /// As if made with this BoardOptions::boot_unix_s. Range: before the guest has run.
  void set_boot_time(std::int64_t boot_unix_s) { rtc_.set_boot_time(boot_unix_s); }

  [[nodiscard]] Uart& console() { return uart0_; }

 private:
  struct PortRange {
    Device* device;
    std::uint16_t base;
    std::uint16_t count;
  };
  void add(Device& device, std::uint16_t base, std::uint16_t count, std::uint16_t first_offset = 0);

  BoardOptions options_;
  A20Gate a20_;
  // In board order.
  Pic pic_;
  Pit pit_;
  Port61 port61_;
  CmosRtc rtc_;
  Uart uart0_;
  Uart uart1_;
  DebugConsole debug_console_;
  PowerControl power_control_;
  I8042 i8042_;
  SystemControl system_control_;
  ResetControl reset_control_;
  DebugExit debug_exit_;
  PowerPort power_port_;
  PostPort post_port_;

  std::vector<std::unique_ptr<PortAlias>> aliases_;
  std::vector<PortRange> ranges_;
};

}  // namespace ftvm::devices
