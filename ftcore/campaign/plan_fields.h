// The fields of a plan that are ranges, each once: its name in a file, and what it may be. Reader
// and writer both go through these lists.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "ftcore/campaign/plan.h"

namespace ftvm::ftcore::campaign {

inline constexpr std::int64_t kMsMax = 3'600'000;  // An hour, for whatever lasts.
inline constexpr std::int64_t kUsMax = kMsMax * 1'000;
inline constexpr std::int64_t kTicksMax = std::int64_t{1} << 48;
inline constexpr std::size_t kGuestsMax = 64;
inline constexpr std::size_t kFaultGroupsMax = 1'000;
inline constexpr std::int64_t kFaultsMax = 1'000;  // Of a group.

/// `visit(name, range, bounds)` for each; a range may be optional.
template <class Node, class Visit>
void visit_node(Node& node, Visit&& visit) {
  visit("clock_offset_ms", node.clock_offset_ms, Range{0, 1'000 * kMsMax});
  visit("clock_rate_ppm", node.clock_rate_ppm, Range{-500'000, 1'000'000});
  visit("ticks_per_ms", node.ticks_per_ms, Range{1, 10'000'000});
  visit("turn_us_max", node.turn_us_max, Range{1, 1'000'000});
  visit("wake_us_max", node.wake_us_max, Range{0, 1'000'000});
  visit("slice_ticks_max", node.slice_ticks_max, Range{1, 1'000'000'000});
}

template <class Pair, class Visit>
void visit_pair(Pair& pair, Visit&& visit) {
  visit("detection_ms", pair.detection_ms, Range{1, 60'000});
  visit("heartbeat_ms", pair.heartbeat_ms, Range{1, 60'000});
  visit("run_ms", pair.run_ms, Range{1, kMsMax});
  visit("message_leave_us_max", pair.message_leave_us_max, Range{0, kUsMax});
  // Below are the 50 us that a message takes at least.
  visit("message_latency_us_max", pair.message_latency_us_max, Range{50, kUsMax});
  visit("message_queue_max", pair.message_queue_max, Range{4, 4'096});
  visit("reconnect_ms_max", pair.reconnect_ms_max, Range{0, kMsMax});
  visit("output_leave_us_max", pair.output_leave_us_max, Range{0, kUsMax});
  visit("output_latency_us", pair.output_latency_us, Range{0, kUsMax});
  visit("arbiter_answer_ms_max", pair.arbiter_answer_ms_max, Range{1, 60'000});
  visit("held_bytes_max", pair.held_bytes_max, Range{1, 16 << 20});
  visit("backup_speed_percent", pair.backup_speed_percent, Range{1, 10'000});
}

template <class Spec, class Visit>
void visit_fault(Spec& spec, Visit&& visit) {
  visit("chance_percent", spec.chance_percent, Range{0, 100});
  visit("count", spec.count, Range{0, kFaultsMax});
  visit("for_us", spec.for_us, Range{1, kUsMax});
  visit("share_percent", spec.share_percent, Range{1, 100});
}

inline constexpr std::size_t kWordsMax = 1'000;  // Of a command, and of its cases.
inline constexpr Range kProgramSeconds{1, 86'400};
inline constexpr Range kNumberBounds{1, kTicksMax};  // Of a moment.
inline constexpr Range kAfterBounds{0, kUsMax};
inline constexpr std::string_view kAfterName = "after_us";

/// Reasons of a planned end that a plan may ask for.
inline constexpr std::array<EndReason, 3> kReasons{EndReason::kStopped, EndReason::kHandOver,
                                                   EndReason::kDiskFull};

/// The enumerator whose place in the list is that of its name.
template <class Enum, class Names>
std::optional<Enum> named(const Names& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

}  // namespace ftvm::ftcore::campaign
