// A queue with a limit between host threads and the vCPU thread. Nobody ever waits in it: a full
// queue refuses, an empty one says so, and the caller knows what that means.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "emulator/base/assert.h"
#include "emulator/base/thread_annotations.h"

namespace ftvm {

/// First in, first out. Each item has a weight; the weights of what is queued add up to at most the
/// limit. Units: whatever the owner weighs in, items (the default weight of 1) or bytes.
/// Threading: any number of producers and consumers.
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t limit) : limit_(limit) {}

  /// False when closed or when the item does not fit (an item above the limit never does); the item
  /// is then untouched.
  [[nodiscard]] bool try_push(T&& item, std::size_t weight = 1) FTVM_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    FTVM_ASSERT(weight_ <= limit_);
    if (closed_ || weight > limit_ - weight_) return false;
    entries_.push_back({std::move(item), weight});
    weight_ += weight;
    return true;
  }
  [[nodiscard]] bool try_push(const T& item, std::size_t weight = 1) FTVM_EXCLUDES(mutex_) {
    return try_push(T(item), weight);
  }

  /// The oldest item, if any. What was queued before close() still comes out.
  [[nodiscard]] std::optional<T> try_pop() FTVM_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (entries_.empty()) return std::nullopt;
    std::optional<T> item(std::move(entries_.front().item));
    weight_ -= entries_.front().weight;
    entries_.pop_front();
    return item;
  }

  /// Appends all items to `out`, oldest first, and returns how many there were.
  std::size_t drain(std::vector<T>& out) FTVM_EXCLUDES(mutex_) {
    std::deque<Entry> taken;
    {
      const MutexLock lock(mutex_);
      taken.swap(entries_);
      weight_ = 0;
    }
    out.reserve(out.size() + taken.size());
    for (Entry& entry : taken) out.push_back(std::move(entry.item));
    return taken.size();
  }

  /// From now on every push is refused. There is no way back.
  void close() FTVM_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    closed_ = true;
  }

  [[nodiscard]] bool closed() const FTVM_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return closed_;
  }
  [[nodiscard]] std::size_t size() const FTVM_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return entries_.size();
  }
  /// Weight that still fits.
  [[nodiscard]] std::size_t room() const FTVM_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return limit_ - weight_;
  }

 private:
  struct Entry {
    T item;
    std::size_t weight;
  };

  const std::size_t limit_;
  mutable Mutex mutex_;
  std::deque<Entry> entries_ FTVM_GUARDED_BY(mutex_);
  std::size_t weight_ FTVM_GUARDED_BY(mutex_) = 0;
  bool closed_ FTVM_GUARDED_BY(mutex_) = false;
};

}  // namespace ftvm
