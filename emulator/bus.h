// The I/O port space: which device answers which port. Overlaps are an error at wiring time;
// unclaimed ports read all ones, swallow writes and are counted, so that a user can see what a
// guest probed in vain (diagnostic bus.unclaimed, at the end of a run). An access wider than a
// device is split, low byte first, over consecutive ports, each of which may belong to another
// device.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "emulator/base/result.h"
#include "emulator/device.h"

namespace ftvm {

class PortBus {
 public:
  /// Range: count > 0, base + count <= 0x10000. Errors: kUsage, also when a port of the range is
  /// taken. Lifetime: the device outlives the bus.
  Status claim(Device& device, std::uint16_t base, std::uint16_t count);

  /// Guest IN and OUT. Range: size_bytes is 1, 2 or 4; there is nothing behind port 0xffff.
  std::uint32_t read(std::uint16_t port, unsigned size_bytes, const Now& now);
  void write(std::uint16_t port, unsigned size_bytes, std::uint32_t value, const Now& now);

  /// Bytes read from or written to ports nobody claimed, by port. Diagnostics only: neither state
  /// nor digest.
  [[nodiscard]] const std::map<std::uint16_t, std::uint64_t>& unclaimed() const {
    return unclaimed_;
  }
  /// The same as text: "80 x1, cf8 x12", port numbers in hexadecimal.
  [[nodiscard]] std::string unclaimed_text() const;

 private:
  struct Range {
    Device* device;
    std::uint16_t base;
    std::uint32_t count;
  };
  /// Part of an access that one device takes in one go; nobody's when `device` is null.
  struct Piece {
    Device* device;
    std::uint16_t offset;
    unsigned size_bytes;
  };
  const Range* find(std::uint32_t port) const;
  Piece next_piece(std::uint32_t port, unsigned left_bytes);

  std::vector<Range> ranges_;  // Sorted by base, without overlap.
  std::map<std::uint16_t, std::uint64_t> unclaimed_;
};

}  // namespace ftvm
