#include "devices/host/console_inbox.h"

#include <algorithm>
#include <utility>

namespace ftvm::devices::host {

std::size_t ConsoleInbox::push(ByteView bytes) {
  std::size_t taken = 0;
  {
    const MutexLock lock(mutex_);
    taken = std::min(bytes.size(), bytes_max_ - bytes_.size());
    bytes_.push(bytes.first(taken));
  }
  if (taken > 0) announce();
  return taken;
}

std::size_t ConsoleInbox::take(Bytes& out, std::size_t max) {
  const MutexLock lock(mutex_);
  const std::size_t size = std::min(bytes_.size(), max);
  const ByteView oldest = bytes_.view().first(size);
  out.insert(out.end(), oldest.begin(), oldest.end());
  bytes_.pop(size);
  return size;
}

std::size_t ConsoleInbox::room() const {
  const MutexLock lock(mutex_);
  return bytes_max_ - bytes_.size();
}

void ConsoleInbox::clear() {
  const MutexLock lock(mutex_);
  bytes_.clear();
}

void ConsoleInbox::set_wakeup(std::function<void()> wakeup) {
  {
    const MutexLock lock(wakeup_mutex_);
    wakeup_ = std::move(wakeup);
  }
  if (room() < bytes_max_) announce();
}

void ConsoleInbox::announce() {
  const MutexLock lock(wakeup_mutex_);
  if (wakeup_) wakeup_();
}

}  // namespace ftvm::devices::host
