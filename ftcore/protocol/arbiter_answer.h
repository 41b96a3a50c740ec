// What an arbiter may answer. The protocol asks and the arbiter room answers, in these words.
#pragma once

#include <cstdint>
#include <string_view>

namespace ftvm::ftcore {

/// May the pair be protected in an epoch: is its slot still free, and the storage reachable?
enum class SlotAnswer : std::uint8_t {
  kOpened,       // The slot is there for the caller, and nobody has set it.
  kTaken,        // Another primary opened it, or it is already set: this pair and epoch are over.
  kUnreachable,  // It could not be found out; do not start protection.
};

/// Stable names for diagnostics.
constexpr std::string_view answer_name(SlotAnswer answer) {
  switch (answer) {
    case SlotAnswer::kOpened:
      return "opened";
    case SlotAnswer::kTaken:
      return "taken";
    case SlotAnswer::kUnreachable:
      break;
  }
  return "unreachable";
}

/// Of a test-and-set.
enum class ArbiterAnswer : std::uint8_t {
  kWon,      // The slot holds the caller's incarnation, durably. Now or by an earlier call.
  kLost,     // The slot holds another incarnation: halt.
  kUnknown,  // It could not be found out. Stay halted and ask again; never guess.
};

constexpr std::string_view answer_name(ArbiterAnswer answer) {
  switch (answer) {
    case ArbiterAnswer::kWon:
      return "won";
    case ArbiterAnswer::kLost:
      return "lost";
    case ArbiterAnswer::kUnknown:
      break;
  }
  return "unknown";
}

}  // namespace ftvm::ftcore
