// Whether a backup that says hello can be a backup of this machine, in words a user can act on.
#pragma once

#include <string>

#include "emulator/base/result.h"
#include "ftcore/protocol/message.h"

namespace ftvm::ftcore {

/// Compares field by field, the protocol version first, because nothing else of another version
/// need mean the same. `mine` is what this node would say itself.
/// Errors: kMismatch, naming the field.
Status check_hello(const Hello& theirs, const Hello& mine);

/// Whether a Welcome can be worked with. Errors: kBadData, naming the field.
Status check_welcome(const Welcome& welcome);

/// Limits of what a Welcome may ask for. Units: milliseconds.
inline constexpr std::uint32_t kDetectionMsMin = 20;
inline constexpr std::uint32_t kDetectionMsMax = 60'000;

}  // namespace ftvm::ftcore
