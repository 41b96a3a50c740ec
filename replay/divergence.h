// The first difference between what a machine did and what its journal says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "emulator/base/units.h"
#include "replay/record.h"

namespace ftvm::replay {

enum class DivergenceKind : std::uint8_t {
  kOutputDiffers,     // Another tick, endpoint, length or content.
  kOutputMissing,     // The journal has a mark; the machine got past it without the output.
  kOutputUnexpected,  // The machine made an output that the journal does not have.
  kDigestDiffers,
  kDigestMissing,  // The machine was not on a grid line where the recording was.
  kDigestUnexpected,
  kInputMissed,  // The machine got past the tick of an input.
  kEndDiffers,   // Another reason, tick or final state.
};

struct Divergence {
  DivergenceKind kind;
  /// The record that was not met, or the first one behind an unexpected act.
  JournalSeq seq;
  Tick at_expected;
  Tick at_seen;
  std::string expected;  // In words, as by describe(); "nothing" for an unexpected act.
  std::string actual;

  /// One line for people.
  [[nodiscard]] std::string text() const;
  /// One JSON object with stable keys: kind, seq, tick_expected, tick_seen, expected, actual.
  [[nodiscard]] std::string json() const;
};

/// "output_differs", "output_missing", ...
[[nodiscard]] std::string_view divergence_kind_name(DivergenceKind kind);

}  // namespace ftvm::replay
