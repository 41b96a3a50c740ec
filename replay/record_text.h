// Records in words, for divergence reports and `ftvm inspect`.
#pragma once

#include <string>
#include <string_view>

#include "replay/record.h"

namespace ftvm::replay {

/// "console", "net0", "disk0", "clock", "power", "debug".
[[nodiscard]] std::string_view endpoint_name(Endpoint endpoint);

/// What a record says, without number and tick: "console, 3 bytes, hash 00d1e2...". ASCII without
/// quotes and backslashes, so that it can stand in JSON as it is.
[[nodiscard]] std::string describe(const Record& record);

}  // namespace ftvm::replay
