// Bytes that wait to be written to a descriptor: appended at the back, removed at the front, always
// visible as one view.
#pragma once

#include <algorithm>
#include <cstddef>

#include "emulator/base/assert.h"
#include "emulator/base/bytes.h"

namespace ftvm::devices::host {

/// Threading: one thread, or the owner's lock.
class ByteFifo {
 public:
  void push(ByteView bytes) {
    // Moving the rest down costs as much as it frees, so every byte is moved at most once.
    if (head_ > bytes_.size() / 2) {
      bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  void pop(std::size_t size) {
    FTVM_ASSERT(size <= this->size());
    head_ += size;
    if (head_ == bytes_.size()) clear();
  }
  void clear() {
    bytes_.clear();
    head_ = 0;
  }
  [[nodiscard]] ByteView view() const { return ByteView(bytes_).subspan(head_); }
  [[nodiscard]] std::size_t size() const { return bytes_.size() - head_; }
  [[nodiscard]] bool empty() const { return head_ == bytes_.size(); }

 private:
  Bytes bytes_;
  std::size_t head_ = 0;  // Bytes before it are gone already.
};

}  // namespace ftvm::devices::host
