// Reads and writes guest-virtual memory as the CPU does while it delivers an exception: four-level
// paging, permissions, Accessed and Dirty bits. The library's own translation call overwrites CR2,
// so it is never used.
//
// Source: Intel SDM volume 3A, 4.5 (4-level paging), 4.6 (access rights), 4.8 (A and D), 4.7 (error
// code). Not modelled: PAE and 32-bit paging, 5 levels, protection keys, SMAP, SMEP (CPUID hides
// them).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "emulator/base/units.h"
#include "emulator/memory.h"

namespace ftvm::unicorn {

/// What a walk depends on.
struct PagingState {
  std::uint64_t cr0 = 0;
  std::uint64_t cr3 = 0;
  std::uint64_t efer = 0;
};

struct PageFault {
  std::uint64_t address;
  std::uint32_t error_code;  // P, W/R, U/S, RSVD, I/D bits.
};

enum class Access : std::uint8_t { kRead, kWrite, kProbe };

class PageWalker {
 public:
  /// `written` is told of every page-table or data byte this object changes in guest RAM.
  PageWalker(GuestMemory& memory, std::function<void(GuestPhys, std::size_t)> written)
      : memory_(memory), written_(std::move(written)) {}

  /// Supervisor access of `size_bytes` at `address`. Returns the fault instead of raising it.
  std::optional<PageFault> read(const PagingState& paging, std::uint64_t address,
                                std::span<std::uint8_t> out);
  std::optional<PageFault> write(const PagingState& paging, std::uint64_t address,
                                 std::span<const std::uint8_t> bytes);

  /// Copies what is mapped from `address` on, up to the first hole, without touching A or D.
  std::size_t peek(const PagingState& paging, std::uint64_t address,
                   std::span<std::uint8_t> out) const;
  /// Physical address of a mapped byte, without touching A or D.
  [[nodiscard]] std::optional<GuestPhys> probe(const PagingState& paging,
                                               std::uint64_t address) const;

 private:
  struct Leaf {
    std::uint64_t physical;
    bool writable;
  };
  std::optional<PageFault> walk(const PagingState& paging, std::uint64_t address, Access access,
                                Leaf* leaf) const;
  template <class Move>
  std::optional<PageFault> each_page(const PagingState& paging, std::uint64_t address,
                                     std::size_t size_bytes, Access access, Move move);

  GuestMemory& memory_;
  std::function<void(GuestPhys, std::size_t)> written_;
};

}  // namespace ftvm::unicorn
