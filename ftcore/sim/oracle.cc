#include "ftcore/sim/oracle.h"

#include <algorithm>
#include <utility>

namespace ftvm::ftcore::sim {

std::string_view rule_name(Rule rule) {
  switch (rule) {
    case Rule::kOneStream:
      return "one_stream";
    case Rule::kOutputRule:
      return "output_rule";
    case Rule::kOneLive:
      return "one_live";
    case Rule::kReplay:
      return "replay";
    case Rule::kProgress:
      return "progress";
    case Rule::kHaltedIsHalted:
      return "halted_is_halted";
    case Rule::kReplica:
      break;
  }
  return "replica";
}

void Oracle::violated(Rule rule, std::string what) {
  if (violations_.size() < kViolationsMax) violations_.push_back({rule, std::move(what)});
}

void Oracle::released(Side from, Epoch epoch, std::uint64_t offset, ByteView bytes, bool covered) {
  const auto text = [&](std::string_view what) {
    return std::string(side_name(from)) + ": the output at " + std::to_string(offset) + " " +
           std::string(what);
  };
  if (halted_[from]) violated(Rule::kHaltedIsHalted, text("left a node that had halted"));
  const bool alone = live_[from].has_value();
  if (!covered && !alone) violated(Rule::kOutputRule, text("left before the backup had its mark"));
  const auto [releaser, first] = releasers_.emplace(epoch.value, from);
  if (releaser->second != from) {
    violated(Rule::kOneLive,
             text("left in epoch " + std::to_string(epoch.value) + ", which is the other node's"));
  }
  if (offset > said_.size()) {
    return violated(Rule::kOneStream,
                    text("left where the stream is at " + std::to_string(said_.size())));
  }
  const std::size_t known = std::min<std::size_t>(bytes.size(), said_.size() - offset);
  if (!std::equal(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(known),
                  said_.begin() + static_cast<std::ptrdiff_t>(offset))) {
    violated(Rule::kOneStream, text("contradicts what left there before"));
  }
  said_.insert(said_.end(), bytes.begin() + static_cast<std::ptrdiff_t>(known), bytes.end());
}

void Oracle::arrived(Side from, std::uint64_t offset, ByteView bytes) {
  if (offset > shown_) {
    violated(Rule::kOneStream, std::string(side_name(from)) + ": bytes " + std::to_string(shown_) +
                                   " to " + std::to_string(offset) + " never arrived");
  }
  const std::uint64_t end = offset + bytes.size();
  repeats_ += std::min(end, shown_) - std::min(offset, shown_);
  shown_ = std::max(shown_, end);
}

void Oracle::went_live(Side side, Epoch epoch) {
  if (live_[other(side)]) {
    violated(Rule::kOneLive, std::string(side_name(side)) + ": live in epoch " +
                                 std::to_string(epoch.value) + " beside the other node");
  }
  live_[side] = epoch;
  ever_live_ = true;
}

void Oracle::gone(Side side, bool halted) {
  live_[side].reset();
  halted_[side] = halted_[side] || halted;
}

}  // namespace ftvm::ftcore::sim
