// Making and finding the Unix socket of a node: the part of the control door that is about the file
// system.
//
// Source: unix(7), section "Pathname socket ownership and permissions"; flock(2).
#pragma once

#include <sys/un.h>

#include <string>
#include <string_view>

#include "emulator/base/result.h"
#include "emulator/base/scoped_fd.h"

namespace ftvm::ftcore {

/// Errors: kUsage when the path is empty or does not fit.
Result<sockaddr_un> control_address(const std::string& path);

/// The lock that whoever listens on the Unix socket `path` holds for as long as it does; `what` is
/// the socket's kind in words. Errors: kUsage when another process holds it, kNotFound for the
/// folder, kIo.
Result<ScopedFd> lock_socket_path(const std::string& path, std::string_view what);

/// A listening socket, mode 0600, non-blocking. Whoever calls holds the lock. A socket that nobody
/// listens on any more is replaced. Errors: kUsage when the path is no socket or somebody does,
/// kNotFound for the folder, kIo.
Result<ScopedFd> listen_on_control_path(const std::string& path, int backlog);

}  // namespace ftvm::ftcore
