#include "emulator/unicorn/library_clock.h"

#include <sys/time.h>

#include <atomic>
#include <ctime>

#include "emulator/unicorn/original.h"

namespace ftvm::unicorn {
namespace {

thread_local const std::uint64_t* engine_ns_of_thread = nullptr;
std::atomic<std::uint64_t> reads{0};

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

}  // namespace

LibraryClockScope::LibraryClockScope(const std::uint64_t& engine_ns) : outer_(engine_ns_of_thread) {
  engine_ns_of_thread = &engine_ns;
}
LibraryClockScope::~LibraryClockScope() {
  engine_ns_of_thread = outer_;
}

std::uint64_t library_clock_reads() {
  return reads.load(std::memory_order_relaxed);
}

namespace {

/// Fills `out` inside an engine call; false elsewhere.
bool engine_time(timespec* out) {
  const std::uint64_t* ns = engine_ns_of_thread;
  if (ns == nullptr) return false;
  reads.fetch_add(1, std::memory_order_relaxed);
  out->tv_sec = static_cast<time_t>(*ns / kNsPerSecond);
  out->tv_nsec = static_cast<long>(*ns % kNsPerSecond);
  return true;
}

}  // namespace
}  // namespace ftvm::unicorn

// Outside the engine the C library's own definition answers, from the vDSO and without a system
// call: a vCPU asks thousands of times a second.
extern "C" {

FTVM_EXPORT int clock_gettime(clockid_t clock, timespec* out) noexcept {
  if (ftvm::unicorn::engine_time(out)) return 0;
  FTVM_ORIGINAL(clock_gettime);
  return original(clock, out);
}

FTVM_EXPORT int gettimeofday(timeval* out, void* zone) noexcept {
  timespec now{};
  if (ftvm::unicorn::engine_time(&now)) {
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
  }
  FTVM_ORIGINAL(gettimeofday);
  return original(out, zone);
}
}
