// Typed bytes on their way from a host thread to the vCPU thread: a bounded buffer and the function
// that says that there is something in it. Every console endpoint has one.
#pragma once

#include <cstddef>
#include <functional>

#include "devices/host/byte_fifo.h"
#include "emulator/base/bytes.h"
#include "emulator/base/thread_annotations.h"

namespace ftvm::devices::host {

/// Threading: any thread.
class ConsoleInbox {
 public:
  explicit ConsoleInbox(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  /// Takes as many of the bytes as there is room for and returns how many; wakes the reader.
  std::size_t push(ByteView bytes) FTVM_EXCLUDES(mutex_, wakeup_mutex_);
  /// Appends at most `max` bytes to `out`, oldest first; returns how many.
  std::size_t take(Bytes& out, std::size_t max) FTVM_EXCLUDES(mutex_);
  [[nodiscard]] std::size_t room() const FTVM_EXCLUDES(mutex_);
  void clear() FTVM_EXCLUDES(mutex_);
  /// As ConsoleEndpoint::set_wakeup. Bytes that already wait are announced at once.
  void set_wakeup(std::function<void()> wakeup) FTVM_EXCLUDES(mutex_, wakeup_mutex_);

 private:
  void announce() FTVM_EXCLUDES(wakeup_mutex_);

  const std::size_t bytes_max_;
  mutable Mutex mutex_;
  ByteFifo bytes_ FTVM_GUARDED_BY(mutex_);
  Mutex wakeup_mutex_;  // Held while the function runs: who replaces it waits for that.
  std::function<void()> wakeup_ FTVM_GUARDED_BY(wakeup_mutex_);
};

}  // namespace ftvm::devices::host
