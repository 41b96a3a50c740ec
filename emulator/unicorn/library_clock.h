// libunicorn reads the wall clock to decide when its TLB may shrink, which would make Accessed bits
// in guest page tables depend on the host. The executable therefore defines the two libc functions
// it uses (symbol interposition): inside an engine call they return a time of our own, everywhere
// else the real one.
#pragma once

#include <cstdint>

namespace ftvm::unicorn {

/// While one exists on this thread, clock_gettime and gettimeofday return `engine_ns`.
/// Threading: per thread; scopes nest.
class LibraryClockScope {
 public:
  explicit LibraryClockScope(const std::uint64_t& engine_ns);
  ~LibraryClockScope();
  LibraryClockScope(const LibraryClockScope&) = delete;
  LibraryClockScope& operator=(const LibraryClockScope&) = delete;

 private:
  const std::uint64_t* outer_;
};

/// How often libunicorn asked since the process started; the conformance tests see that it does.
std::uint64_t library_clock_reads();

}  // namespace ftvm::unicorn
