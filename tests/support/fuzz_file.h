// Fuzzer input as a file, either as it is or as payloads that are put into frames with good CRCs:
// no fuzzer finds its way through a CRC by itself. Header only.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "emulator/base/bytes.h"
#include "replay/frame.h"

namespace ftvm::test {

/// A file in memory. Lifetime: the path is good as long as the object.
class MemoryFile {
 public:
  explicit MemoryFile(ByteView bytes) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    if (fd_ < 0) std::abort();
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written <= 0) std::abort();
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    if (::lseek(fd_, 0, SEEK_SET) != 0) std::abort();
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

/// `input` as a sequence of (type, flags, length as u16, payload), each put into a frame. What does
/// not make a whole one is appended as it is.
inline Bytes framed(ByteView input) {
  constexpr std::size_t kHeadBytes = 4;
  Bytes out;
  while (input.size() >= kHeadBytes) {
    const std::size_t length = load_le<std::uint16_t>(input.data() + 2);
    const ByteView payload = input.subspan(kHeadBytes, std::min(length, input.size() - kHeadBytes));
    const auto flags = static_cast<std::uint8_t>(input[1] & replay::kFrameFlagsKnown);
    replay::append_frame(out, static_cast<replay::FrameType>(input[0]), payload, flags);
    input = input.subspan(kHeadBytes + payload.size());
  }
  out.insert(out.end(), input.begin(), input.end());
  return out;
}

}  // namespace ftvm::test
