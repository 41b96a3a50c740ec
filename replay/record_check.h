// Limits of a single record, checked before it is written and after it is read, so that the rest of
// the program never meets a record that could not have been made. Order and numbering of several
// records are the codec's and the cursor's business.
//
// Source: docs/formats/journal.md, "Ranges".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "emulator/base/result.h"
#include "replay/record.h"

namespace ftvm::replay {

inline constexpr std::size_t kConsoleBytesMax = std::size_t{64} << 10;
inline constexpr std::size_t kNetFrameBytesMax = std::size_t{64} << 10;
inline constexpr std::size_t kDiskDoneBytesMax = std::size_t{4} << 20;
inline constexpr std::uint32_t kOutputLengthMax = std::uint32_t{16} << 20;

/// Whether the record could stand in a journal: known enum values, lengths and numbers in range.
/// Errors: kBadData, naming the field and its value.
Status check_record(const Record& record);

/// Length of the guest data in the record. Units: bytes.
[[nodiscard]] std::size_t carried_bytes(const RecordBody& body);

/// kBadData, naming the field, unless low <= value <= high.
Status check_range(std::string_view field, std::uint64_t value, std::uint64_t low,
                   std::uint64_t high);

}  // namespace ftvm::replay
