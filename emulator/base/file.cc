// Source: POSIX.1-2017 open, read, write, rename; fsync(2) on why the folder is synced as well.
#include "emulator/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "emulator/base/scoped_fd.h"

namespace ftvm {
namespace {

constexpr std::size_t kReadBytesMax = 1 << 20;

/// Error from errno in which a missing file or folder has its own code.
Error path_error(const std::string& what) {
  if (errno == ENOENT) return Error(ErrorCode::kNotFound, "no such file").context(what);
  return error_from_errno(what);
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status sync_folder(const std::string& folder) {
  const ScopedFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return error_from_errno("sync folder " + folder);
  return {};
}

Status fill_and_sync(int fd, ByteView bytes, mode_t mode) {
  if (::fchmod(fd, mode) != 0) return error_from_errno("set mode");
  FTVM_TRY(write_all(fd, bytes));
  if (::fsync(fd) != 0) return error_from_errno("sync");
  return {};
}

}  // namespace

Result<Bytes> read_file(const std::string& path, std::size_t bytes_max) {
  const ScopedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return path_error("open " + path);
  Bytes bytes;
  for (;;) {
    const std::size_t at = bytes.size();
    if (at > bytes_max) {
      return Error(ErrorCode::kBadData,
                   "read " + path + ": larger than " + std::to_string(bytes_max) + " bytes");
    }
    // One byte more than allowed is asked for, to tell "just full" from "too large".
    bytes.resize(at + std::min(kReadBytesMax, bytes_max - at) + 1);
    const ssize_t got = ::read(fd.get(), bytes.data() + at, bytes.size() - at);
    bytes.resize(at + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && errno != EINTR) return error_from_errno("read " + path);
    if (got == 0) return bytes;
  }
}

Status write_all(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return Error(ErrorCode::kClosed, "write: the other side is closed");
    } else if (errno != EINTR) {
      return error_from_errno("write");
    }
  }
  return {};
}

Status write_file_atomic(const std::string& path, ByteView bytes, mode_t mode) {
  // In the same folder, because rename(2) replaces in one step only within a file system.
  std::string temporary = path + ".XXXXXX";
  const ScopedFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return path_error("create " + temporary);
  Status status = fill_and_sync(fd.get(), bytes, mode);
  if (status && ::rename(temporary.c_str(), path.c_str()) != 0) status = error_from_errno("rename");
  if (!status) {
    ::unlink(temporary.c_str());
    return std::move(status.error().context("write " + path));
  }
  return sync_folder(folder_of(path));
}

}  // namespace ftvm
