// The payloads of a snapshot's frames, to structs and back. What can be fixed is fixed and outside
// protobuf, so that a snapshot can be identified and refused without it.
//
// Source: docs/formats/snapshot.md; proto/snapshot.proto.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "emulator/base/bytes.h"
#include "emulator/base/digest.h"
#include "emulator/base/result.h"
#include "emulator/base/units.h"
#include "replay/record.h"

namespace ftvm::replay {

inline constexpr std::uint32_t kSnapshotFormatVersion = 1;
/// RAM is written in pieces of this size, at multiples of it. Divides every legal RAM size.
inline constexpr std::size_t kRamChunkBytes = std::size_t{256} << 10;
/// State is written in pieces of at most this size.
inline constexpr std::size_t kStatePieceBytes = std::size_t{1} << 20;
/// Of the state of CPU and devices together.
inline constexpr std::uint64_t kSnapshotStateMax = std::uint64_t{256} << 20;

/// Where in which run a snapshot was taken.
struct SnapshotPlace {
  Tick tick{};
  JournalSeq seq{};  // Of the last record before it.
  std::array<std::uint8_t, 16> run_id{};
  bool operator==(const SnapshotPlace&) const = default;
};

struct SnapshotPreamble {
  SnapshotPlace place{};
  std::uint64_t ram_bytes = 0;
  std::uint64_t state_bytes = 0;
  MachineIdentity identity{};
  bool operator==(const SnapshotPreamble&) const = default;
};

/// Fixed part: version, tick, seq, run id, RAM size. Then protobuf. Errors of decoding: kMismatch
/// for another format version, else kBadData.
inline constexpr std::size_t kSnapshotFixedBytes = 4 + 8 + 8 + 16 + 8;
[[nodiscard]] Bytes encode_snapshot_preamble(const SnapshotPreamble& preamble);
Result<SnapshotPreamble> decode_snapshot_preamble(ByteView payload);

/// A piece of RAM. Lifetime: borrows the payload.
struct RamChunk {
  std::uint64_t offset = 0;  // Guest-physical address; a multiple of kRamChunkBytes.
  ByteView bytes{};          // kRamChunkBytes of them.
};
[[nodiscard]] Bytes encode_ram_chunk(const RamChunk& chunk);
/// Errors: kBadData for another length or an offset that is no multiple.
Result<RamChunk> decode_ram_chunk(ByteView payload);

struct SnapshotEnd {
  std::uint64_t chunk_count = 0;
  Digest machine{};  // digest_all() when the snapshot was taken.
  bool operator==(const SnapshotEnd&) const = default;
};
inline constexpr std::size_t kSnapshotEndBytes = 24;
[[nodiscard]] Bytes encode_snapshot_end(const SnapshotEnd& end);
/// Errors: kBadData for another length.
Result<SnapshotEnd> decode_snapshot_end(ByteView payload);

}  // namespace ftvm::replay
