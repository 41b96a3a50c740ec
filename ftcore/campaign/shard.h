// A part of a campaign, for one of several machines.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "emulator/base/result.h"

namespace ftvm::ftcore::campaign {

/// Shard `index` of `count`, from 1 on: every block whose number leaves that rest.
struct Shard {
  std::uint64_t index = 1;
  std::uint64_t count = 1;
  bool operator==(const Shard&) const = default;

  /// "2/8".
  [[nodiscard]] std::string text() const;
};

/// Errors: kUsage.
Result<Shard> parse_shard(std::string_view text);

}  // namespace ftvm::ftcore::campaign
