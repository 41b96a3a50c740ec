// What the JSON of several commands has in common, as text to be parsed into a larger object.
#pragma once

#include <string>

#include "emulator/base/result.h"
#include "replay/record.h"

namespace ftvm::cli {

/// {"format_version": "1", ...}: all values are strings, as identity_texts() makes them.
std::string identity_json(const replay::MachineIdentity& identity);

/// {"code": "bad_data", "message": "..."}
std::string error_json(const Error& error);

}  // namespace ftvm::cli
