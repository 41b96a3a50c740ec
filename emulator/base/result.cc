// Names of error codes, the reading order of context chains, and errno turned into an Error.
#include "emulator/base/result.h"

#include <cerrno>
#include <system_error>

namespace ftvm {

std::string_view error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kBadData:
      return "bad_data";
    case ErrorCode::kTornTail:
      return "torn_tail";
    case ErrorCode::kMismatch:
      return "mismatch";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kNoSpace:
      return "no_space";
    case ErrorCode::kClosed:
      return "closed";
    case ErrorCode::kTimeout:
      return "timeout";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kUsage:
      return "usage";
    case ErrorCode::kDiverged:
      return "diverged";
  }
  return "unknown";
}

std::string Error::message() const {
  std::string joined;
  for (std::size_t i = contexts_.size(); i-- > 0;) {
    if (!joined.empty()) joined += ": ";
    joined += contexts_[i];
  }
  return joined;
}

Error error_from_errno(std::string what) {
  const int code = errno;  // Saved before anything below can change it.
  const bool no_space = code == ENOSPC || code == EDQUOT;
  Error error(no_space ? ErrorCode::kNoSpace : ErrorCode::kIo,
              std::generic_category().message(code));
  error.context(std::move(what));
  return error;
}

}  // namespace ftvm
