// Where the bytes go that the guest writes to its debug console (ports E9h and 402h).
#pragma once

#include <functional>

#include "emulator/base/bytes.h"
#include "emulator/base/result.h"
#include "ftcore/cli/options.h"

namespace ftvm::cli {

/// Takes bytes in order; empty when --debug-console is not given. Threading: one thread at a time.
using DebugSink = std::function<void(ByteView)>;

/// Opens what --debug-console names; an existing file is emptied. When it can not be written any
/// more that is said once, and the guest goes on. Errors: kIo with the option.
Result<DebugSink> open_debug_console(const Options& options);

}  // namespace ftvm::cli
