// Options that several commands share, declared once. They belong to the program, so one TOML file
// serves all commands and they may stand before or behind the command's name.
#pragma once

#include "ftcore/cli/options.h"

namespace CLI {
class App;
}

namespace ftvm::cli {

void add_shared_options(CLI::App& app, Options& options);

}  // namespace ftvm::cli
