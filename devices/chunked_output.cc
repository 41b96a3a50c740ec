#include "devices/chunked_output.h"

#include "emulator/base/assert.h"

namespace ftvm::devices {

void ChunkedOutput::push(std::uint8_t byte, const Now& now) {
  FTVM_ASSERT(waiting_.size() < kWaitingBytesMax);
  if (waiting_.empty()) timer_.arm(now.time.plus_ns(kWindowNs), now);
  waiting_.push_back(byte);
  // Once only: arming again would put the chunk off for as long as the guest goes on writing.
  if (waiting_.size() == kChunkBytes) timer_.arm(now.time, now);
}

void ChunkedOutput::drain() {
  timer_.cancel();
  if (waiting_.empty()) return;
  machine_.emit(endpoint_, waiting_);
  emitted_bytes_ += waiting_.size();
  waiting_.clear();
}

}  // namespace ftvm::devices
