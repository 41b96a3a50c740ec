// The host gives pages when the guest first touches them, so a large guest costs what it uses.
//
// Source: mmap(2), madvise(2): after MADV_DONTNEED private anonymous pages read as zero.
#include "emulator/memory.h"

#include <sys/mman.h>

#include <string>
#include <utility>

#include "emulator/base/assert.h"

namespace ftvm {
namespace {

constexpr std::uint64_t kSizeStepBytes = 2ull << 20;
static_assert(kSizeStepBytes % (kRamSlices * kPageBytes) == 0, "slices are whole pages");
static_assert(kRamBytesMin % kSizeStepBytes == 0);
static_assert(kRamBytesMax % kSizeStepBytes == 0);

}  // namespace

Result<GuestMemory> GuestMemory::create(std::uint64_t size_bytes) {
  if (size_bytes < kRamBytesMin || size_bytes > kRamBytesMax || size_bytes % kSizeStepBytes != 0) {
    return Error(ErrorCode::kUsage,
                 "guest memory of " + std::to_string(size_bytes) +
                     " bytes: must be a multiple of 2 MiB between 64 MiB and 3 GiB");
  }
  void* const mapped = ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return error_from_errno("map guest memory");
  return GuestMemory(static_cast<std::uint8_t*>(mapped), size_bytes);
}

GuestMemory::~GuestMemory() {
  if (data_ != nullptr) FTVM_ASSERT(::munmap(data_, size_bytes_) == 0);
}

GuestMemory::GuestMemory(GuestMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_bytes_(std::exchange(other.size_bytes_, 0)) {}

GuestMemory::SliceBounds GuestMemory::slice_bounds(std::uint64_t size_bytes, std::uint32_t slice) {
  FTVM_ASSERT(slice < kRamSlices);
  const std::uint64_t slice_bytes = size_bytes / kRamSlices;
  return {.begin = slice * slice_bytes, .size_bytes = slice_bytes};
}

Digest GuestMemory::digest_slice(std::uint32_t slice) const {
  const SliceBounds bounds = slice_bounds(size_bytes_, slice);
  return digest_of({data_ + bounds.begin, bounds.size_bytes});
}

void GuestMemory::clear() {
  FTVM_ASSERT(::madvise(data_, size_bytes_, MADV_DONTNEED) == 0);
}

}  // namespace ftvm
