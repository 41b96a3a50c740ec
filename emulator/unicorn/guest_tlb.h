// The TLB that the guest sees: of every page the translation it was first used with, kept until the
// guest or the tick grid flushes it. The library's own TLB is a cache of this one.
//
// A guest can tell a TLB hit from a miss when it clears an Accessed bit without a flush (Linux
// does, when it looks for pages to reclaim). What the library's TLB holds depends on how a run was
// cut into slices, on what had been translated before, and on its size, which follows the clock;
// what this one holds depends on the guest alone.
//
// Source: Intel SDM volume 3A, 4.10.2 and 4.10.4 (a TLB may keep what it likes until it is told to
// forget; what must be forgotten).
#pragma once

#include <cstdint>
#include <vector>

namespace ftvm::unicorn {

class GuestTlb {
 public:
  /// Arguments of the library's function that puts a translation into its TLB.
  struct Translation {
    std::uint64_t page = 0;  // Virtual address of a page of 4 KiB.
    std::uint64_t physical = 0;
    std::uint32_t attributes = 0;
    int protection = 0;  // Bit 0 read, 1 write, 2 execute.
    int mmu_index = 0;   // User, supervisor, or supervisor that may not touch user pages.
    std::uint64_t size_bytes = 0;
  };
  /// When so many pages are known all are forgotten, which is deterministic, too.
  static constexpr std::size_t kPagesMax = std::size_t{48} << 10;

  GuestTlb() : slots_(kSlots) {}

  /// Null when the page is not known.
  [[nodiscard]] const Translation* find(std::uint64_t page, int mmu_index) const;
  /// Replaces what is known of the page. Precondition: !full().
  void insert(const Translation& translation);
  [[nodiscard]] bool full() const { return pages_ >= kPagesMax; }

  /// True when only a flush of everything forgets this address: it may lie in a large page, which
  /// is known in parts.
  [[nodiscard]] bool in_large_page(std::uint64_t address) const {
    return (address & large_mask_) == large_address_;
  }
  void forget(std::uint64_t page);
  void forget_all();

 private:
  struct Slot {
    std::uint64_t generation = 0;
    Translation translation;
  };
  static constexpr std::size_t kSlots = std::size_t{64} << 10;
  static_assert(kPagesMax < kSlots);
  static constexpr int kMmuIndexes = 3;

  [[nodiscard]] static std::size_t first_slot(std::uint64_t page, int mmu_index);
  void note_large_page(const Translation& translation);

  std::vector<Slot> slots_;
  std::uint64_t generation_ = 1;
  std::size_t pages_ = 0;
  /// The smallest aligned range that holds all large pages; none at first.
  std::uint64_t large_address_ = ~0ull;
  std::uint64_t large_mask_ = 0;
};

}  // namespace ftvm::unicorn
