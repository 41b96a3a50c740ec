// Console scripts as users write them: a file of steps, one a line, that a run types by itself.
//
//   # Comments and empty lines are skipped.
//   wait "guest:"
//   send "uname -a\n"
//   stop
//
// `wait` goes on when the text has been printed since the last match, `send` types, `stop` (only as
// the last step) ends the run. In texts \n \r \t \e \\ \" and \xHH stand for one byte.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "devices/host/script_console.h"
#include "emulator/base/result.h"

namespace ftvm::cli {

struct ScriptFile {
  std::vector<devices::host::ScriptConsole::Step> steps;
  bool stops = false;  // Ends with `stop`.
};

/// Errors: kUsage, naming the line and what is wrong with it.
Result<ScriptFile> parse_script(std::string_view text);

/// Errors: as above with the path; kNotFound, kIo.
Result<ScriptFile> read_script(const std::string& path);

}  // namespace ftvm::cli
