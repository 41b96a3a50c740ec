// A journal in numbers: how many records of which kind, how long the run was, how it ended. It is
// made in one pass that also shows the records to whoever asks.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "emulator/clock.h"
#include "ftcore/cli/identity_text.h"
#include "replay/journal_reader.h"

namespace ftvm::cli {

struct KindCount {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;  // As encoded, before compression.
};

struct JournalSummary {
  replay::JournalHeader header;
  std::uint64_t file_bytes = 0;
  std::map<std::string, KindCount, std::less<>> kinds;  // By record_kind().
  KindCount total;
  std::optional<replay::Record> first;
  std::optional<replay::Record> last;
  std::optional<replay::End> end;
  replay::JournalTail tail;
  /// Guest time from the start of the journal to its last record; the start of a journal that
  /// begins at a snapshot under the host's clock is its first ClockSync.
  std::uint64_t guest_ns = 0;
  /// What the reader said after the last good record.
  std::optional<Error> damage;

  [[nodiscard]] std::uint64_t ticks() const {
    return last ? last->at.value - header.start.value : 0;
  }
};

/// Reads the journal to its end. Errors: those of JournalReader::open only; later damage is in the
/// summary. `on_record` may be null.
Result<JournalSummary> summarize_journal(
    const std::string& path, const std::function<void(const replay::Record&)>& on_record);

/// Many lines, for people.
std::string summary_text(const std::string& path, const JournalSummary& summary);
/// One JSON object without a newline.
std::string summary_json(const std::string& path, const JournalSummary& summary);

}  // namespace ftvm::cli
