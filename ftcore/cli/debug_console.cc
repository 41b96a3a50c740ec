#include "ftcore/cli/debug_console.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include "emulator/base/diag.h"
#include "emulator/base/scoped_fd.h"

namespace ftvm::cli {
namespace {

class DebugFile {
 public:
  explicit DebugFile(ScopedFd fd) : fd_(std::move(fd)) {}
  void write(ByteView bytes) {
    while (!bytes.empty() && !failed_) {
      const ssize_t done = ::write(fd_.get(), bytes.data(), bytes.size());
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) {
        failed_ = true;
        FTVM_DIAG(kWarn, "debug_console.lost").kv("why", std::generic_category().message(errno));
        return;
      }
      bytes = bytes.subspan(static_cast<std::size_t>(done));
    }
  }

 private:
  ScopedFd fd_;
  bool failed_ = false;
};

}  // namespace

Result<DebugSink> open_debug_console(const Options& options) {
  if (options.debug_console.empty()) return DebugSink();
  const std::string where = "--debug-console " + options.debug_console;
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK;
  ScopedFd fd(
      ::open(options.debug_console.c_str(), flags | (options.overwrite ? O_TRUNC : O_EXCL), 0600));
  if (!fd && errno == EEXIST) {
    return Error(ErrorCode::kUsage, where + ": exists already; --overwrite replaces it");
  }
  struct stat found {};
  if (!fd || ::fstat(fd.get(), &found) != 0) {
    return Error(ErrorCode::kIo, where + ": " + std::generic_category().message(errno));
  }
  if (!S_ISREG(found.st_mode)) return Error(ErrorCode::kUsage, where + ": is no regular file");
  // Shared, because a std::function must be copyable.
  return DebugSink(
      [file = std::make_shared<DebugFile>(std::move(fd))](ByteView bytes) { file->write(bytes); });
}

}  // namespace ftvm::cli
