// The last words of a process: written without allocation, because the heap may be what is broken.
#include "emulator/base/assert.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include "emulator/base/diag.h"

namespace ftvm {

AssertContext& assert_context() {
  thread_local AssertContext context;
  return context;
}

void assert_failed(const char* expression, const char* file, int line) {
  const AssertContext& at = assert_context();
  std::array<char, 1024> text;
  const int wanted =
      std::snprintf(text.data(), text.size(),
                    "ftvm: assertion failed: %s\n  at %s:%d\n  tick %" PRIu64 " seq %" PRIu64
                    " epoch %" PRIu64 " seed %" PRIu64 "\n  last events:\n",
                    expression, file, line, at.tick, at.seq, at.epoch, at.seed);
  const std::size_t size =
      std::clamp<std::size_t>(static_cast<std::size_t>(std::max(wanted, 0)), 0, text.size() - 1);
  // Nobody is left to act on a failed write.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), size);
  diag_write_recent(STDERR_FILENO);
  std::abort();
}

}  // namespace ftvm
