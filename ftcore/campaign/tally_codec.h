// A tally as one line of JSON: between processes, and in the file that a campaign goes on from.
#pragma once

#include <string>
#include <string_view>

#include "emulator/base/result.h"
#include "ftcore/campaign/tally.h"

namespace ftvm::ftcore::campaign {

/// No line break in it.
std::string tally_json(const Tally& tally);
/// Errors: kBadData.
Result<Tally> parse_tally(std::string_view text);

}  // namespace ftvm::ftcore::campaign
