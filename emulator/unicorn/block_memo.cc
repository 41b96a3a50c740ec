#include "emulator/unicorn/block_memo.h"

namespace ftvm::unicorn {

void BlockMemo::translated(const Entry& block) {
  const Entry& latest = at(block.pc);
  if (latest.pc == block.pc && latest.size_bytes == block.size_bytes &&
      latest.instructions == block.instructions) {
    return;
  }
  const auto known = instructions_.find({block.pc, block.size_bytes});
  if (known == instructions_.end()) {
    // What does not fit is asked for each time.
    if (instructions_.size() < kExtentsMax) {
      instructions_.emplace(Extent{block.pc, block.size_bytes}, block.instructions);
    }
  } else if (known->second != block.instructions) {
    known->second = kAmbiguous;
    forget(block.pc);
  }
}

void BlockMemo::met(const Entry& block) {
  const auto known = instructions_.find({block.pc, block.size_bytes});
  if (known == instructions_.end() || known->second != block.instructions) return;
  latest_[slot_of(block.pc)] = block;
}

}  // namespace ftvm::unicorn
