// Where the bytes go that the guest writes to its debug console (ports E9h and 402h).
#pragma once

#include <functional>

#include "emulator/base/bytes.h"
#include "emulator/base/result.h"
#include "ftcore/cli/options.h"

namespace ftvm::cli {

/// Takes bytes in order; empty when --debug-console is not given. Threading: one thread at a time.
using DebugSink = std::function<void(ByteView)>;

/// Opens the file that --debug-console names, a new one unless --overwrite is given. Only a file,
/// because writing must not wait for a reader. When it can not be written any more a diagnostic
/// says so, and the guest goes on. Errors: kUsage, kIo with the option.
Result<DebugSink> open_debug_console(const Options& options);

}  // namespace ftvm::cli
