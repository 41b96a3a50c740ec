// A guest access is cut into pieces, each of which lies within one device and one bus cycle of that
// device's width, and the pieces go out in rising port order.
//
// Source: Intel 82371SB (PIIX3) data sheet, ISA bus interface: a wide access to a narrower slave
// becomes several cycles, low byte first.
#include "emulator/bus.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <string>

#include "emulator/base/assert.h"

namespace ftvm {
namespace {

constexpr std::uint32_t kPortEnd = 0x10000;

constexpr std::uint32_t mask(unsigned size_bytes) {
  return size_bytes == 4 ? ~0u : (1u << (8 * size_bytes)) - 1;
}

}  // namespace

Status PortBus::claim(Device& device, std::uint16_t base, std::uint16_t count) {
  const unsigned width = device.width_bytes();
  FTVM_ASSERT(width == 1 || width == 2 || width == 4);
  const std::uint32_t end = std::uint32_t{base} + count;
  const std::string what = "ports " + std::to_string(base) + " to " + std::to_string(end) + " of " +
                           std::string(device.name());
  if (count == 0 || end > kPortEnd) return Error(ErrorCode::kUsage, what + ": not a port range");
  const auto after = std::lower_bound(
      ranges_.begin(), ranges_.end(), base,
      [](const Range& range, std::uint16_t port) { return range.base + range.count <= port; });
  if (after != ranges_.end() && after->base < end) {
    return Error(ErrorCode::kUsage, what + ": taken by " + std::string(after->device->name()));
  }
  ranges_.insert(after, {.device = &device, .base = base, .count = count});
  return {};
}

const PortBus::Range* PortBus::find(std::uint32_t port) const {
  const auto after = std::upper_bound(
      ranges_.begin(), ranges_.end(), port,
      [](std::uint32_t wanted, const Range& range) { return wanted < range.base; });
  if (after == ranges_.begin()) return nullptr;
  const Range& range = *std::prev(after);
  return port < range.base + range.count ? &range : nullptr;
}

PortBus::Piece PortBus::next_piece(std::uint32_t port, unsigned left_bytes) {
  const Range* range = find(port);
  if (range == nullptr) {
    if (port < kPortEnd) ++unclaimed_[static_cast<std::uint16_t>(port)];
    return {.device = nullptr, .offset = 0, .size_bytes = 1};
  }
  const unsigned width = range->device->width_bytes();
  const unsigned to_cycle_end = width - port % width;
  const unsigned to_range_end = range->base + range->count - port;
  // Of three bytes two go first: the sizes of accesses are powers of two.
  const unsigned size = std::bit_floor(std::min({left_bytes, to_cycle_end, to_range_end}));
  return {.device = range->device,
          .offset = static_cast<std::uint16_t>(port - range->base),
          .size_bytes = size};
}

std::uint32_t PortBus::read(std::uint16_t port, unsigned size_bytes, const Now& now) {
  FTVM_ASSERT(size_bytes == 1 || size_bytes == 2 || size_bytes == 4);
  std::uint32_t value = 0;
  for (unsigned done = 0; done < size_bytes;) {
    const Piece piece = next_piece(std::uint32_t{port} + done, size_bytes - done);
    const std::uint32_t bits =
        piece.device != nullptr ? piece.device->read(piece.offset, piece.size_bytes, now) : ~0u;
    value |= (bits & mask(piece.size_bytes)) << (8 * done);
    done += piece.size_bytes;
  }
  return value;
}

void PortBus::write(std::uint16_t port, unsigned size_bytes, std::uint32_t value, const Now& now) {
  FTVM_ASSERT(size_bytes == 1 || size_bytes == 2 || size_bytes == 4);
  for (unsigned done = 0; done < size_bytes;) {
    const Piece piece = next_piece(std::uint32_t{port} + done, size_bytes - done);
    const std::uint32_t bits = (value >> (8 * done)) & mask(piece.size_bytes);
    if (piece.device != nullptr) piece.device->write(piece.offset, piece.size_bytes, bits, now);
    done += piece.size_bytes;
  }
}

std::string PortBus::unclaimed_text() const {
  std::string text;
  for (const auto& [port, count_bytes] : unclaimed_) {
    char one[40];
    std::snprintf(one, sizeof one, "%s%x x%llu", text.empty() ? "" : ", ", unsigned{port},
                  static_cast<unsigned long long>(count_bytes));
    text += one;
  }
  return text;
}

}  // namespace ftvm
