// zstd for the payloads of frames, with the bound that keeps a hostile file from filling memory.
#pragma once

#include <cstddef>

#include "emulator/base/bytes.h"
#include "emulator/base/result.h"

namespace ftvm::replay {

// How hard it is tried is no part of any format.
inline constexpr int kZstdLevel = 3;      // Journals: they should stay small.
inline constexpr int kZstdLevelFast = 1;  // Guest RAM: a machine may be waiting.

/// One zstd frame that carries its content size.
[[nodiscard]] Bytes compress(ByteView plain, int level = kZstdLevel);

/// Errors: kBadData for anything but one whole zstd frame with a content size of at most
/// `plain_max_bytes`.
Result<Bytes> decompress(ByteView packed, std::size_t plain_max_bytes);

}  // namespace ftvm::replay
