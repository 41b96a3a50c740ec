// A snapshot in numbers, without a machine to load it into: where it was taken, of what, how much
// of RAM it holds. The whole file is read, so damage anywhere is found.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "emulator/base/result.h"
#include "replay/snapshot_codec.h"

namespace ftvm::cli {

struct SnapshotSummary {
  replay::SnapshotPreamble preamble;
  std::uint64_t file_bytes = 0;
  std::uint64_t ram_chunks = 0;  // Of kRamChunkBytes each; the rest of RAM is zero.
  /// Of the machine; known when the file is whole.
  std::optional<Digest> state;
  /// What is wrong behind the preamble.
  std::optional<Error> damage;
};

/// Errors: those of the preamble only (kNotFound, kTornTail, kMismatch, kBadData, kIo).
Result<SnapshotSummary> summarize_snapshot(const std::string& path);

/// Many lines, for people.
std::string summary_text(const std::string& path, const SnapshotSummary& summary);
/// One JSON object without a newline.
std::string summary_json(const std::string& path, const SnapshotSummary& summary);

}  // namespace ftvm::cli
