// How many instructions a block has, without asking the library, which takes 5 ns for each block
// that runs. A block is known by where it begins and its size alone, as long as all blocks that
// were ever translated with that extent had as many instructions; if not, it must be asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace ftvm::unicorn {

class BlockMemo {
 public:
  struct Entry {
    std::uint64_t pc = ~0ull;
    std::uint32_t size_bytes = 0;
    std::uint32_t instructions = 0;
    /// `instructions`, or more than any run has left when the block must be looked at each time.
    std::uint64_t charge = 0;
  };

  /// The entry where this block would be.
  [[nodiscard]] const Entry& at(std::uint64_t pc) const { return latest_[slot_of(pc)]; }
  [[nodiscard]] bool knows(std::uint64_t pc) const { return at(pc).pc == pc; }

  /// To be called for each translation, and as often as one likes.
  void translated(const Entry& block);
  /// The block was met and needs no more than to be counted; it must have been translated.
  void met(const Entry& block);
  void forget(std::uint64_t pc) { latest_[slot_of(pc)] = Entry{}; }

 private:
  struct Extent {
    std::uint64_t pc;
    std::uint32_t size_bytes;
    bool operator==(const Extent&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Extent& e) const {
      return (e.pc ^ e.pc >> 17) * 31 + e.size_bytes;
    }
  };
  static constexpr std::uint32_t kAmbiguous = 0;
  static constexpr std::size_t kExtentsMax = 1 << 19;
  static constexpr std::size_t kSlots = 1 << 16;
  static std::size_t slot_of(std::uint64_t pc) { return (pc ^ pc >> 16) % kSlots; }

  std::unordered_map<Extent, std::uint32_t, Hash> instructions_;
  std::vector<Entry> latest_ = std::vector<Entry>(kSlots);
};

}  // namespace ftvm::unicorn
