// The two halves of a pair, by how they began.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ftvm::ftcore::sim {

enum class Side : std::uint8_t { kPrimary = 0, kBackup = 1 };

constexpr Side other(Side side) {
  return side == Side::kPrimary ? Side::kBackup : Side::kPrimary;
}
constexpr std::string_view side_name(Side side) {
  return side == Side::kPrimary ? "primary" : "backup";
}

/// One of something for each half.
template <class T>
struct PerSide {
  std::array<T, 2> both{};
  T& operator[](Side side) { return both[static_cast<std::size_t>(side)]; }
  const T& operator[](Side side) const { return both[static_cast<std::size_t>(side)]; }
};

}  // namespace ftvm::ftcore::sim
