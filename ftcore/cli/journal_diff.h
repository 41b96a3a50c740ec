// The first difference of two journals: of the machine, of the start, or of a record.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "emulator/base/result.h"
#include "replay/journal_reader.h"

namespace ftvm::cli {

struct Difference {
  /// "record 17 at tick 300, output_mark", "command_line", ...
  std::string where;
  std::string left;
  std::string right;
};

/// Identities, field by field: all that differ.
std::vector<Difference> identity_differences(const replay::MachineIdentity& left,
                                             const replay::MachineIdentity& right);

/// The headers without the run's random name: all that differ.
std::vector<Difference> header_differences(const replay::JournalHeader& left,
                                           const replay::JournalHeader& right);

/// The first record that differs, or that only one of them has; nothing when they are the same.
/// Lifetime: reads both to there. Errors: those of next(), of the one that is damaged.
Result<std::optional<Difference>> first_record_difference(replay::RecordSource& left,
                                                          replay::RecordSource& right);

}  // namespace ftvm::cli
