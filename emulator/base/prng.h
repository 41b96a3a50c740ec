// Reproducible pseudo-random numbers: xoshiro256**, seeded through splitmix64. Every run, fault
// plan and fuzzer draws from here, so the sequence of a seed is fixed for good. Not for secrets.
//
// Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators" (2021); Steele, Lea
// and Flood, "Fast splittable pseudorandom number generators" (2014); Lemire, "Fast random integer
// generation in an interval" (2019) for below().
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

#include "emulator/base/assert.h"
#include "emulator/base/uint128.h"

namespace ftvm {

class Prng {
 public:
  explicit constexpr Prng(std::uint64_t seed) : seed_(seed) {
    // Counting up by the golden ratio, mixed: never four zero words, on which xoshiro would stick.
    std::uint64_t counter = seed;
    for (std::uint64_t& word : state_) word = mix(counter += kGolden);
  }

  /// Uniform over all 64-bit values.
  constexpr std::uint64_t next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// Uniform over 0 to n - 1, without modulo bias. Range: n > 0.
  constexpr std::uint64_t below(std::uint64_t n) {
    FTVM_ASSERT(n > 0);
    // The high half of draw * n is the answer. 2^64 mod n of the low halves come once too often, so
    // those draws are thrown away.
    const std::uint64_t surplus = (0 - n) % n;
    for (;;) {
      const Uint128 product = static_cast<Uint128>(next()) * n;
      if (static_cast<std::uint64_t>(product) >= surplus) {
        return static_cast<std::uint64_t>(product >> 64);
      }
    }
  }

  /// True `numerator` times out of `denominator`. Range: denominator > 0. Always draws, so that a
  /// changed probability does not shift what comes after.
  constexpr bool chance(std::uint64_t numerator, std::uint64_t denominator) {
    return below(denominator) < numerator;
  }

  /// An independent stream named by `label` and `index`. It depends on the seed alone, not on how
  /// much was drawn: a new draw in one place changes no other stream.
  [[nodiscard]] constexpr Prng fork(std::string_view label, std::uint64_t index = 0) const {
    return Prng(mix(mix(seed_ ^ fnv1a(label)) + index * kGolden));
  }

 private:
  static constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;

  /// Finalizer of splitmix64, a bijection.
  static constexpr std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  static constexpr std::uint64_t fnv1a(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return hash;
  }

  std::uint64_t seed_;
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace ftvm
