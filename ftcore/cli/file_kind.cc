#include "ftcore/cli/file_kind.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "emulator/base/scoped_fd.h"
#include "replay/frame.h"

namespace ftvm::cli {
namespace {

Result<ScopedFd> open_for_reading(const std::string& path) {
  ScopedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return Error(ErrorCode::kNotFound, path + ": no such file");
  if (!fd) return error_from_errno("open " + path);
  return fd;
}

}  // namespace

std::string_view file_kind_name(FileKind kind) {
  return kind == FileKind::kJournal ? "journal" : "snapshot";
}

Result<FileKind> file_kind(const std::string& path) {
  const ScopedFd fd = FTVM_TRY(open_for_reading(path));
  // Magic and type; whether the rest is whole is for whoever decodes it.
  std::array<std::uint8_t, replay::kFrameMagic.size() + 1> head{};
  const ssize_t size = ::pread(fd.get(), head.data(), head.size(), 0);
  if (size < 0) return error_from_errno("read " + path);
  const bool framed =
      size == static_cast<ssize_t>(head.size()) &&
      std::equal(replay::kFrameMagic.begin(), replay::kFrameMagic.end(), head.begin());
  const auto type = static_cast<replay::FrameType>(head.back());
  if (framed && type == replay::FrameType::kJournalHeader) return FileKind::kJournal;
  if (framed && type == replay::FrameType::kSnapshotPreamble) return FileKind::kSnapshot;
  return Error(
      ErrorCode::kBadData,
      path + ": neither a journal nor a snapshot" +
          (framed ? ": it starts with a frame of type " + std::to_string(head.back()) : ""));
}

Result<std::uint64_t> file_size_bytes(const std::string& path) {
  const ScopedFd fd = FTVM_TRY(open_for_reading(path));
  struct stat facts {};
  if (::fstat(fd.get(), &facts) != 0) return error_from_errno("stat " + path);
  return static_cast<std::uint64_t>(facts.st_size);
}

}  // namespace ftvm::cli
