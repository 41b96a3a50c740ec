#include "ftcore/transport/control_path.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace ftvm::ftcore {
namespace {

constexpr mode_t kOwnerOnly = 0600;

constexpr std::string_view kControl = "control socket";

Error usage(const std::string& path, std::string_view what, std::string_view kind = kControl) {
  return Error(ErrorCode::kUsage, std::string(kind) + " " + path + ": " + std::string(what));
}

Error path_error(const std::string& path, std::string_view kind = kControl) {
  const std::string where = std::string(kind) + " " + path;
  if (errno == ENOENT) return Error(ErrorCode::kNotFound, where + ": no such folder");
  return error_from_errno(where);
}

Result<ScopedFd> new_socket(const std::string& path) {
  ScopedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return path_error(path);
  return fd;
}

int bind_to(const ScopedFd& fd, const sockaddr_un& address) {
  return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

/// Removes a socket that nobody listens on.
Status clear_stale(const std::string& path, const sockaddr_un& address) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return path_error(path);
  if (!S_ISSOCK(info.st_mode)) return usage(path, "there is a file that is no socket");
  const ScopedFd probe = FTVM_TRY(new_socket(path));
  const bool connected =
      ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  // EAGAIN: somebody listens and is busy.
  if (connected || errno == EAGAIN) {
    ucred peer{};
    socklen_t size = sizeof peer;
    const bool known =
        connected && ::getsockopt(probe.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
    const std::string who = known ? "process " + std::to_string(peer.pid) : "another process";
    return usage(path, who + " listens here; stop it or choose another path");
  }
  if (errno != ECONNREFUSED) return path_error(path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return path_error(path);
  return {};
}

}  // namespace

Result<sockaddr_un> control_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  constexpr std::size_t kPathBytesMax = sizeof address.sun_path - 1;
  if (path.empty()) return usage(path, "the path is empty");
  if (path.size() > kPathBytesMax || path.find('\0') != std::string::npos) {
    return usage(path, "the path must be at most " + std::to_string(kPathBytesMax) + " bytes");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<ScopedFd> lock_socket_path(const std::string& path, std::string_view what) {
  ScopedFd fd(
      ::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kOwnerOnly));
  if (!fd) return path_error(path, what);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) return path_error(path, what);
  return usage(path, "another process listens here; stop it or choose another path", what);
}

Result<ScopedFd> listen_on_control_path(const std::string& path, int backlog) {
  const sockaddr_un address = FTVM_TRY(control_address(path));
  ScopedFd fd = FTVM_TRY(new_socket(path));
  // Linux gives the file the mode of the socket, so there is no moment at which others could open
  // it, and no umask to change under other threads.
  if (::fchmod(fd.get(), kOwnerOnly) != 0) return path_error(path);
  if (bind_to(fd, address) != 0) {
    if (errno != EADDRINUSE) return path_error(path);
    FTVM_TRY(clear_stale(path, address));
    if (bind_to(fd, address) != 0) return path_error(path);
  }
  if (::listen(fd.get(), backlog) != 0) return path_error(path);
  return fd;
}

}  // namespace ftvm::ftcore
