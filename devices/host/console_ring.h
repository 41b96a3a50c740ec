// The console's streams by offset: the last bytes of what was printed, and which typed byte is
// next. Both nodes of a pair hold the same ring, so a client continues on either where it was.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emulator/base/bytes.h"

namespace ftvm::devices::host {

inline constexpr std::size_t kConsoleRingBytes = std::size_t{1} << 20;

/// The last `capacity` bytes of a numbered stream. Threading: the owner's lock.
class ConsoleRing {
 public:
  explicit ConsoleRing(std::size_t capacity = kConsoleRingBytes);

  /// Bytes that the ring has already are skipped (outputs may repeat after a failover). Bytes
  /// beyond its end start it anew there: what lies between was printed elsewhere.
  void append(std::uint64_t offset, ByteView bytes);

  /// At most `max` bytes from `from` on. When the ring has lost `from`, the bytes start at
  /// start(), and `offset` says so; a caller who has read beyond end() gets nothing.
  struct Read {
    std::uint64_t offset;
    Bytes bytes;
  };
  [[nodiscard]] Read read(std::uint64_t from, std::size_t max) const;

  /// Offsets of the oldest byte kept, and of the next byte to come.
  [[nodiscard]] std::uint64_t start() const { return end_ - size_; }
  [[nodiscard]] std::uint64_t end() const { return end_; }

 private:
  Bytes bytes_;  // The byte with offset n is at n % capacity.
  std::size_t size_ = 0;
  std::uint64_t end_ = 0;
};

/// Which numbered bytes are new: the stream `next, next + 1, ...` put together from pieces that may
/// overlap or repeat. Threading: the owner's lock.
class StreamNumbering {
 public:
  enum class Verdict { kFresh, kRepeat, kGap };
  struct Judged {
    Verdict verdict;
    /// The part not seen before; empty unless kFresh.
    ByteView fresh;
  };
  /// Says what a piece is. Nothing is counted until accept(). An empty piece is a repeat.
  [[nodiscard]] Judged judge(std::uint64_t offset, ByteView bytes) const;
  void accept(std::size_t size) { next_ += size; }

  [[nodiscard]] std::uint64_t next() const { return next_; }
  void set_next(std::uint64_t next) { next_ = next; }

 private:
  std::uint64_t next_ = 0;
};

}  // namespace ftvm::devices::host
