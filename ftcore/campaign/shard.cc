#include "ftcore/campaign/shard.h"

#include <charconv>

namespace ftvm::ftcore::campaign {

std::string Shard::text() const {
  return std::to_string(index) + "/" + std::to_string(count);
}

Result<Shard> parse_shard(std::string_view text) {
  Shard shard;
  const char* end = text.data() + text.size();
  const auto index = std::from_chars(text.data(), end, shard.index);
  const bool slash = index.ec == std::errc() && index.ptr != end && *index.ptr == '/';
  const auto count = slash ? std::from_chars(index.ptr + 1, end, shard.count) : index;
  if (!slash || count.ec != std::errc() || count.ptr != end || shard.index < 1 ||
      shard.index > shard.count) {
    return Error(ErrorCode::kUsage,
                 std::string(text) + ": say K/N with K from 1 to N, such as 2/8");
  }
  return shard;
}

}  // namespace ftvm::ftcore::campaign
