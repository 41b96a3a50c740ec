// The quantities that must never be mixed up, each a type of its own. Standard library only.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace ftvm {

/// Position in the execution: retired guest instructions since power-on, plus idle ticks spent in
/// HLT, plus one for each delivered fault or interrupt. At one tick there is one machine state.
/// Units: ticks. Range: never decreases; carried by every snapshot.
struct Tick {
  std::uint64_t value = 0;
  auto operator<=>(const Tick&) const = default;
  static constexpr Tick never() { return {std::numeric_limits<std::uint64_t>::max()}; }
  /// Saturates at never(), so that "a while after never" is still never.
  [[nodiscard]] constexpr Tick plus(std::uint64_t ticks) const {
    return never().value - value < ticks ? never() : Tick{value + ticks};
  }
};

/// Guest time since power-on, a pure function of the tick and of the last ClockSync.
/// Units: nanoseconds. Range: never decreases.
struct GuestTime {
  std::uint64_t ns = 0;
  auto operator<=>(const GuestTime&) const = default;
  static constexpr GuestTime never() { return {std::numeric_limits<std::uint64_t>::max()}; }
  [[nodiscard]] constexpr GuestTime plus_ns(std::uint64_t delta) const {
    return never().ns - ns < delta ? never() : GuestTime{ns + delta};
  }
};

/// Number of a journal record within one run: 1, 2, 3... 0 means "before the first".
struct JournalSeq {
  std::uint64_t value = 0;
  auto operator<=>(const JournalSeq&) const = default;
  [[nodiscard]] constexpr JournalSeq next() const { return {value + 1}; }
};

/// Rises once per change of who may release output. 0 is a machine that never had a peer.
struct Epoch {
  std::uint64_t value = 0;
  auto operator<=>(const Epoch&) const = default;
  [[nodiscard]] constexpr Epoch next() const { return {value + 1}; }
};

/// Guest-physical address. Units: bytes.
struct GuestPhys {
  std::uint64_t value = 0;
  auto operator<=>(const GuestPhys&) const = default;
};

}  // namespace ftvm
