#include "emulator/unicorn/page_walk.h"

#include <algorithm>
#include <cstring>

#include "emulator/base/bytes.h"

namespace ftvm::unicorn {
namespace {

constexpr std::uint64_t kPresent = 1, kWritable = 2, kAccessed = 0x20, kDirty = 0x40;
constexpr std::uint64_t kLargePage = 0x80;
constexpr std::uint64_t kAddressMask = 0x000f'ffff'ffff'f000ull;
constexpr std::uint64_t kCr0Paging = 1ull << 31, kCr0WriteProtect = 1ull << 16;
constexpr std::uint32_t kErrorPresent = 1, kErrorWrite = 2;
constexpr int kTopLevel = 3;

bool canonical(std::uint64_t address) {
  const auto top = static_cast<std::int64_t>(address) >> 47;
  return top == 0 || top == -1;
}

}  // namespace

std::optional<PageFault> PageWalker::walk(const PagingState& paging, std::uint64_t address,
                                          Access access, Leaf* leaf) const {
  const std::uint32_t write_bit = access == Access::kWrite ? kErrorWrite : 0;
  if ((paging.cr0 & kCr0Paging) == 0) {
    *leaf = {address, true};
    return std::nullopt;
  }
  if (!canonical(address)) return PageFault{address, write_bit};
  std::uint64_t table = paging.cr3 & kAddressMask;
  bool writable = true;
  for (int level = kTopLevel; level >= 0; --level) {
    const unsigned shift = 12 + 9 * static_cast<unsigned>(level);
    const std::uint64_t entry_at = table + ((address >> shift) & 511) * 8;
    // A table outside RAM reads as all ones from the bus, which is a reserved-bit fault; not
    // present is what such a guest sees here.
    if (entry_at + 8 > memory_.size_bytes()) return PageFault{address, write_bit};
    std::uint8_t* entry_bytes = memory_.data() + entry_at;
    const std::uint64_t entry = load_le<std::uint64_t>(entry_bytes);
    if ((entry & kPresent) == 0) return PageFault{address, write_bit};
    writable = writable && (entry & kWritable) != 0;
    const bool is_leaf = level == 0 || (level <= 2 && (entry & kLargePage) != 0);
    const bool denied =
        access == Access::kWrite && !writable && (paging.cr0 & kCr0WriteProtect) != 0;
    if (is_leaf && denied) return PageFault{address, write_bit | kErrorPresent};
    if (access != Access::kProbe) {
      const std::uint64_t wanted =
          entry | kAccessed | (is_leaf && access == Access::kWrite ? kDirty : 0);
      if (wanted != entry) {
        store_le(entry_bytes, wanted);
        written_(GuestPhys{entry_at}, 8);
      }
    }
    if (is_leaf) {
      const std::uint64_t offset_mask = (1ull << shift) - 1;
      *leaf = {(entry & kAddressMask & ~offset_mask) | (address & offset_mask), writable};
      return std::nullopt;
    }
    table = entry & kAddressMask;
  }
  return PageFault{address, write_bit};  // Not reached: level 0 is always a leaf.
}

template <class Move>
std::optional<PageFault> PageWalker::each_page(const PagingState& paging, std::uint64_t address,
                                               std::size_t size_bytes, Access access, Move move) {
  std::size_t done = 0;
  while (done < size_bytes) {
    const std::uint64_t at = address + done;
    const std::size_t chunk =
        std::min<std::size_t>(size_bytes - done, kPageBytes - (at % kPageBytes));
    Leaf leaf{};
    if (auto fault = walk(paging, at, access, &leaf)) return fault;
    move(leaf.physical, done, chunk);
    done += chunk;
  }
  return std::nullopt;
}

std::optional<PageFault> PageWalker::read(const PagingState& paging, std::uint64_t address,
                                          std::span<std::uint8_t> out) {
  return each_page(paging, address, out.size(), Access::kRead,
                   [&](std::uint64_t physical, std::size_t done, std::size_t chunk) {
                     if (physical + chunk <= memory_.size_bytes()) {
                       std::memcpy(out.data() + done, memory_.data() + physical, chunk);
                     } else {
                       std::memset(out.data() + done, 0xff, chunk);  // Nobody drives the bus.
                     }
                   });
}

std::optional<PageFault> PageWalker::write(const PagingState& paging, std::uint64_t address,
                                           std::span<const std::uint8_t> bytes) {
  // All pages are checked before the first byte changes: a frame is pushed whole or not at all.
  auto check = each_page(paging, address, bytes.size(), Access::kWrite,
                         [](std::uint64_t, std::size_t, std::size_t) {});
  if (check) return check;
  return each_page(paging, address, bytes.size(), Access::kWrite,
                   [&](std::uint64_t physical, std::size_t done, std::size_t chunk) {
                     if (physical + chunk > memory_.size_bytes()) return;
                     std::memcpy(memory_.data() + physical, bytes.data() + done, chunk);
                     written_(GuestPhys{physical}, chunk);
                   });
}

std::size_t PageWalker::peek(const PagingState& paging, std::uint64_t address,
                             std::span<std::uint8_t> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const std::uint64_t at = address + done;
    const std::size_t chunk =
        std::min<std::size_t>(out.size() - done, kPageBytes - (at % kPageBytes));
    Leaf leaf{};
    if (walk(paging, at, Access::kProbe, &leaf)) break;
    if (leaf.physical + chunk > memory_.size_bytes()) break;
    std::memcpy(out.data() + done, memory_.data() + leaf.physical, chunk);
    done += chunk;
  }
  return done;
}

std::optional<GuestPhys> PageWalker::probe(const PagingState& paging, std::uint64_t address) const {
  Leaf leaf{};
  if (walk(paging, address, Access::kProbe, &leaf)) return std::nullopt;
  if (leaf.physical >= memory_.size_bytes()) return std::nullopt;
  return GuestPhys{leaf.physical};
}

}  // namespace ftvm::unicorn
