// `ftvm console`: connects to all nodes of a pair and is one uninterrupted console. The rules are
// in ConsoleFollower; here are the terminal and the sockets.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "devices/host/socket_address.h"
#include "devices/host/wake_event.h"
#include "emulator/base/result.h"
#include "emulator/world.h"

namespace ftvm::devices::host {

struct ConsoleClientOptions {
  /// Numeric, or names that resolve at once: a slow name server would hold everything up.
  std::vector<SocketAddress> nodes;
  /// Name of the machine; empty takes the first that answers.
  std::string pair = {};
  /// Offset of the first output byte; nothing takes the oldest there is.
  std::optional<std::uint64_t> from = {};
  int in_fd = 0;
  int out_fd = 1;
  int message_fd = 2;
  /// Messages about the connection. Without it only when message_fd is a terminal.
  bool verbose = false;
  /// The end of the input ends the client, once all of it was confirmed. Otherwise it goes on
  /// showing output.
  bool quit_at_eof = false;
  /// Set by another thread or a signal handler to quit.
  const WakeEvent* quit = nullptr;
};

struct ConsoleClientResult {
  /// Why the run ended; nothing when the user quit.
  std::optional<EndReason> ended;
  /// Offset behind the last output byte that was shown.
  std::uint64_t next_output = 0;
};

/// Runs until the machine ends or the user quits. Nodes that do not answer are tried again for
/// ever. Errors: kUsage without nodes; kMismatch when no node is the machine or speaks the
/// protocol; kIo when the output can not be written.
Result<ConsoleClientResult> run_console_client(const ConsoleClientOptions& options);

}  // namespace ftvm::devices::host
