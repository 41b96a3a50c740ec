// The header of a journal, and the identity inside it, to bytes and back.
//
// Source: docs/formats/journal.md, "Header"; proto/journal.proto.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emulator/base/bytes.h"
#include "emulator/base/result.h"
#include "replay/record.h"

namespace ftvm::replay {

inline constexpr std::uint32_t kJournalFormatVersion = 2;
/// Of each text of an identity. Units: bytes.
inline constexpr std::size_t kIdentityTextMax = std::size_t{64} << 10;

/// The format version comes first, outside protobuf. Range: texts are not longer than
/// kIdentityTextMax, the version is kJournalFormatVersion (asserted).
[[nodiscard]] Bytes encode_header(const JournalHeader& header);
/// Errors: kMismatch for another format version, else kBadData.
Result<JournalHeader> decode_header(ByteView payload);

/// For formats that carry an identity in a frame of their own.
[[nodiscard]] Bytes encode_identity(const MachineIdentity& identity);
/// Errors: kBadData.
Result<MachineIdentity> decode_identity(ByteView payload);

}  // namespace ftvm::replay
