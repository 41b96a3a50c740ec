// A hash table with open addressing. Slots of an older generation are empty, so that forgetting
// everything, which each change of address space does, costs nothing.
#include "emulator/unicorn/guest_tlb.h"

#include "emulator/base/assert.h"

namespace ftvm::unicorn {
namespace {

constexpr unsigned kPageShift = 12;
constexpr std::uint64_t kSmallPageBytes = std::uint64_t{1} << kPageShift;

}  // namespace

std::size_t GuestTlb::first_slot(std::uint64_t page, int mmu_index) {
  constexpr std::uint64_t kGolden = 0x9e37'79b9'7f4a'7c15;
  const std::uint64_t key = (page >> kPageShift) * kMmuIndexes + static_cast<unsigned>(mmu_index);
  return static_cast<std::size_t>((key * kGolden) >> 48) % kSlots;
}

const GuestTlb::Translation* GuestTlb::find(std::uint64_t page, int mmu_index) const {
  for (std::size_t i = first_slot(page, mmu_index);; i = (i + 1) % kSlots) {
    const Slot& slot = slots_[i];
    if (slot.generation != generation_) return nullptr;
    if (slot.translation.page == page && slot.translation.mmu_index == mmu_index) {
      return &slot.translation;
    }
  }
}

void GuestTlb::insert(const Translation& translation) {
  FTVM_ASSERT(!full());
  if (translation.size_bytes > kSmallPageBytes) note_large_page(translation);
  std::size_t i = first_slot(translation.page, translation.mmu_index);
  while (slots_[i].generation == generation_ &&
         (slots_[i].translation.page != translation.page ||
          slots_[i].translation.mmu_index != translation.mmu_index)) {
    i = (i + 1) % kSlots;
  }
  if (slots_[i].generation != generation_) ++pages_;
  slots_[i] = Slot{generation_, translation};
}

void GuestTlb::note_large_page(const Translation& translation) {
  std::uint64_t mask = ~(translation.size_bytes - 1);
  if (large_address_ == ~0ull) {
    large_address_ = translation.page & mask;
  } else {
    mask &= large_mask_;
    while (((large_address_ ^ translation.page) & mask) != 0) mask <<= 1;
  }
  large_mask_ = mask;
  large_address_ &= mask;
}

void GuestTlb::forget(std::uint64_t page) {
  for (int mmu_index = 0; mmu_index < kMmuIndexes; ++mmu_index) {
    for (std::size_t i = first_slot(page, mmu_index); slots_[i].generation == generation_;
         i = (i + 1) % kSlots) {
      Translation& known = slots_[i].translation;
      // The slot stays taken, with a translation that permits nothing.
      if (known.page == page && known.mmu_index == mmu_index) known.protection = 0;
    }
  }
}

void GuestTlb::forget_all() {
  ++generation_;
  pages_ = 0;
  large_address_ = ~0ull;
  large_mask_ = 0;
}

}  // namespace ftvm::unicorn
