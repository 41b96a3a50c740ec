#include "devices/host/console_ring.h"

#include <algorithm>

#include "emulator/base/assert.h"

namespace ftvm::devices::host {

ConsoleRing::ConsoleRing(std::size_t capacity) : bytes_(capacity) {
  FTVM_ASSERT(capacity > 0);
}

void ConsoleRing::append(std::uint64_t offset, ByteView bytes) {
  if (offset > end_) {
    size_ = 0;
    end_ = offset;
  }
  const std::uint64_t known = end_ - offset;
  if (known >= bytes.size()) return;
  bytes = bytes.subspan(static_cast<std::size_t>(known));
  if (bytes.size() > bytes_.size()) {
    end_ += bytes.size() - bytes_.size();
    bytes = bytes.last(bytes_.size());
  }
  const auto at = static_cast<std::size_t>(end_ % bytes_.size());
  const std::size_t first = std::min(bytes.size(), bytes_.size() - at);
  std::copy_n(bytes.begin(), first, bytes_.begin() + static_cast<std::ptrdiff_t>(at));
  std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(first), bytes.end(), bytes_.begin());
  end_ += bytes.size();
  size_ = std::min(size_ + bytes.size(), bytes_.size());
}

ConsoleRing::Read ConsoleRing::read(std::uint64_t from, std::size_t max) const {
  Read result{.offset = std::max(from, start()), .bytes = {}};
  if (result.offset >= end_) return result;
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(max, end_ - result.offset));
  const auto at = static_cast<std::size_t>(result.offset % bytes_.size());
  const auto first = static_cast<std::ptrdiff_t>(std::min(size, bytes_.size() - at));
  const auto begin = bytes_.begin() + static_cast<std::ptrdiff_t>(at);
  result.bytes.reserve(size);
  result.bytes.insert(result.bytes.end(), begin, begin + first);
  result.bytes.insert(result.bytes.end(), bytes_.begin(),
                      bytes_.begin() + (static_cast<std::ptrdiff_t>(size) - first));
  return result;
}

StreamNumbering::Judged StreamNumbering::judge(std::uint64_t offset, ByteView bytes) const {
  if (offset > next_) return {.verdict = Verdict::kGap, .fresh = {}};
  const std::uint64_t known = next_ - offset;
  if (known >= bytes.size()) return {.verdict = Verdict::kRepeat, .fresh = {}};
  return {.verdict = Verdict::kFresh, .fresh = bytes.subspan(static_cast<std::size_t>(known))};
}

}  // namespace ftvm::devices::host
