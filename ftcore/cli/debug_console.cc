#include "ftcore/cli/debug_console.h"

#include <fcntl.h>

#include <cerrno>
#include <memory>
#include <system_error>

#include "emulator/base/diag.h"
#include "emulator/base/scoped_fd.h"

namespace ftvm::cli {
namespace {

struct File {
  int fd;
  ScopedFd owned;
  bool failed = false;
};

void write_all(File& file, ByteView bytes) {
  while (!bytes.empty() && !file.failed) {
    const ssize_t done = ::write(file.fd, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) {
      file.failed = true;
      FTVM_DIAG(kWarn, "debug_console.lost").kv("why", std::generic_category().message(errno));
      return;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(done));
  }
}

}  // namespace

Result<DebugSink> open_debug_console(const Options& options) {
  if (options.debug_console.empty()) return DebugSink();
  auto file = std::make_shared<File>(File{.fd = 2, .owned = {}});
  if (options.debug_console != "-") {
    file->owned = ScopedFd(
        ::open(options.debug_console.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    file->fd = file->owned.get();
    if (file->fd < 0) {
      return Error(ErrorCode::kIo, "--debug-console " + options.debug_console + ": " +
                                       std::generic_category().message(errno));
    }
  }
  return DebugSink([file](ByteView bytes) { write_all(*file, bytes); });
}

}  // namespace ftvm::cli
