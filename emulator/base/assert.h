// Assertions that stay on. A failure prints where the run was (tick, seq, epoch, seed), flushes the
// diagnostics and aborts: a wrong replica must stop, not guess.
#pragma once

#include <cstdint>

namespace ftvm {

/// Where the run of this thread is, for the message of a failed assertion. Threading: thread-local.
struct AssertContext {
  std::uint64_t tick = 0;
  std::uint64_t seq = 0;
  std::uint64_t epoch = 0;
  std::uint64_t seed = 0;
};
AssertContext& assert_context();

[[noreturn]] void assert_failed(const char* expression, const char* file, int line);

}  // namespace ftvm

#define FTVM_ASSERT(condition)                               \
  do {                                                       \
    if (!(condition)) [[unlikely]]                           \
      ::ftvm::assert_failed(#condition, __FILE__, __LINE__); \
  } while (false)

#ifdef FTVM_SLOW_ASSERTS
#define FTVM_SLOW_ASSERT(condition) FTVM_ASSERT(condition)
#else
#define FTVM_SLOW_ASSERT(condition) \
  do {                              \
  } while (false)
#endif
