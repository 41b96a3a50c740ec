// One record on one line, for `ftvm inspect --records` and `ftvm diff`, and which records to show.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "emulator/base/result.h"
#include "replay/record.h"

namespace ftvm::cli {

/// What the record says, with the first bytes of what it carries: "console, 3 bytes at offset 0,
/// \"ls\n\"". ASCII.
std::string record_detail(const replay::Record& record);

/// "     17      123456  console_bytes  console, 3 bytes at offset 0, ..."
std::string record_line(const replay::Record& record);

/// One JSON object without a newline: seq, tick, kind, endpoint, text; and `bytes` (hexadecimal)
/// of what the record carries.
std::string record_json(const replay::Record& record);

/// Bytes this record takes in a journal before compression, without its share of the batch around
/// it. Units: bytes.
std::size_t encoded_bytes(const replay::Record& record);

/// Both ends included. Range: first <= last.
struct SeqRange {
  JournalSeq first{1};
  JournalSeq last{~std::uint64_t{0}};
  [[nodiscard]] bool has(JournalSeq seq) const { return first <= seq && seq <= last; }
};
/// "FROM..TO", "FROM..", "..TO", "NUMBER" or nothing. Errors: kUsage.
Result<SeqRange> parse_seq_range(std::string_view text);

}  // namespace ftvm::cli
