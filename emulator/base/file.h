// Whole files in, whole files out, with every short read, short write and full disk handled.
// Not for the journal, which grows by its own rules.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "emulator/base/bytes.h"
#include "emulator/base/result.h"

namespace ftvm {

/// The bytes of a file (or of a pipe up to its end).
/// Errors: kNotFound, kBadData when there are more than `bytes_max`, kIo.
Result<Bytes> read_file(const std::string& path, std::size_t bytes_max);

/// Writes all of `bytes` to a blocking descriptor.
/// Errors: kNoSpace, kClosed (EPIPE, ECONNRESET; the caller has SIGPIPE ignored), kIo; some of the
/// bytes may have been written then.
Status write_all(int fd, ByteView bytes);

/// Replaces a file in one step: after a crash the path holds either the old bytes or the new ones,
/// and after a success the new ones for good. `mode` is taken as it is, whatever the umask.
/// Errors: kNotFound for a missing folder, kNoSpace, kIo; the old file is still there then and
/// nothing is left behind (of a failed sync of the folder only the new file is).
Status write_file_atomic(const std::string& path, ByteView bytes, mode_t mode);

}  // namespace ftvm
