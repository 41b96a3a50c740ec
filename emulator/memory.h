// Guest RAM: one anonymous host mapping at guest-physical 0, with digests by slice.
#pragma once

#include <cstdint>
#include <span>

#include "emulator/base/digest.h"
#include "emulator/base/result.h"
#include "emulator/base/units.h"

namespace ftvm {

inline constexpr std::uint64_t kPageBytes = 4096;
inline constexpr std::uint64_t kRamBytesMin = 64ull << 20;
inline constexpr std::uint64_t kRamBytesMax = 3ull << 30;  // Below the 32-bit PCI hole.
/// RAM is digested in this many equal slices, so that a rolling scan never stalls the guest.
inline constexpr std::uint32_t kRamSlices = 256;

class GuestMemory {
 public:
  /// Units: bytes from the start of RAM.
  struct SliceBounds {
    std::uint64_t begin;
    std::uint64_t size_bytes;
  };
  /// Range: slice < kRamSlices. Slices are equal, whole pages and together all of RAM.
  static SliceBounds slice_bounds(std::uint64_t size_bytes, std::uint32_t slice);

  /// Range: kRamBytesMin to kRamBytesMax, a multiple of 2 MiB. Errors: kUsage, kIo.
  static Result<GuestMemory> create(std::uint64_t size_bytes);
  ~GuestMemory();
  GuestMemory(GuestMemory&& other) noexcept;
  GuestMemory& operator=(GuestMemory&&) = delete;

  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }
  [[nodiscard]] std::uint8_t* data() { return data_; }
  [[nodiscard]] const std::uint8_t* data() const { return data_; }
  [[nodiscard]] std::span<std::uint8_t> bytes() { return {data_, size_bytes_}; }

  /// Range: slice < kRamSlices.
  [[nodiscard]] Digest digest_slice(std::uint32_t slice) const;
  /// Gives all pages back to the host; they read as zero again.
  void clear();

 private:
  GuestMemory(std::uint8_t* data, std::uint64_t size_bytes)
      : data_(data), size_bytes_(size_bytes) {}
  std::uint8_t* data_ = nullptr;
  std::uint64_t size_bytes_ = 0;
};

}  // namespace ftvm
