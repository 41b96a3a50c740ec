// One command to a running node, and its answer: what `ftvm ctl` does.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "emulator/base/result.h"

namespace ftvm::ftcore {

struct ControlCall {
  std::string path;  // Of the node's control socket.
  std::string command;
  std::string args = "{}";  // Text of a JSON object.
  std::uint32_t timeout_ms = 10'000;
};

/// Blocks until the answer is there and returns the JSON text of its result. Errors: the node's own
/// with its code and message; kNotFound when there is no socket, kClosed when nobody listens or the
/// node went away, kTimeout, kUsage for args that are no JSON object or too long, kBadData for an
/// answer that makes no sense.
Result<std::string> control_call(const ControlCall& call);

}  // namespace ftvm::ftcore
