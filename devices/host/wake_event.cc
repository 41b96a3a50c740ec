#include "devices/host/wake_event.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "emulator/base/assert.h"

namespace ftvm::devices::host {

WakeEvent::WakeEvent() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  FTVM_ASSERT(fd_.get() >= 0);
}

void WakeEvent::notify() const {
  const int errno_before = errno;
  const std::uint64_t one = 1;
  // The only failure of a valid eventfd is a counter at its limit, and then the flag is set.
  [[maybe_unused]] const ssize_t written = ::write(fd_.get(), &one, sizeof one);
  errno = errno_before;
}

bool WakeEvent::drain() const {
  std::uint64_t count = 0;
  return ::read(fd_.get(), &count, sizeof count) == static_cast<ssize_t>(sizeof count);
}

}  // namespace ftvm::devices::host
