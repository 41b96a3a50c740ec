// Batches of records, and the end of a journal, to bytes and back. The bytes are the payloads of
// frames. Whatever comes in is checked here: a decoded batch is one that encode_records could have
// been given.
//
// Source: docs/formats/journal.md; proto/journal.proto.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "emulator/base/bytes.h"
#include "emulator/base/result.h"
#include "replay/record.h"

namespace ftvm::replay {

/// Records in one batch; bounds what decoding a frame may allocate.
inline constexpr std::size_t kBatchRecordsMax = 65'536;
/// What a batch takes at most on top of its records. Units: bytes.
inline constexpr std::size_t kBatchOverheadMax = 32;

/// Upper bound of what `record` adds to a batch. Units: bytes.
[[nodiscard]] std::size_t encoded_bytes_max(const Record& record);

/// Range: 1 to kBatchRecordsMax records, each one fit for check_record, numbered consecutively,
/// ticks never decreasing, nothing behind an End (asserted).
[[nodiscard]] Bytes encode_records(std::span<const Record> records);
/// Errors: kBadData, naming the record and the field.
Result<std::vector<Record>> decode_records(ByteView payload);

/// What the end frame repeats, so that a reader knows that it has seen everything.
struct JournalEnd {
  std::uint64_t record_count = 0;  // In this journal.
  JournalSeq last_seq{};
  Tick last_tick{};
  Digest state{};  // Of the End record.
  bool operator==(const JournalEnd&) const = default;
};

/// Fixed layout, no protobuf. Errors: kBadData for another length.
inline constexpr std::size_t kJournalEndBytes = 40;
[[nodiscard]] Bytes encode_end(const JournalEnd& end);
Result<JournalEnd> decode_end(ByteView payload);

}  // namespace ftvm::replay
