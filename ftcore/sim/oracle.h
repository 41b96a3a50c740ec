// Who sees both sides and the world outside, and knows the rules. Every broken one is a violation,
// named by its rule; a run without any is a run in which nobody outside was lied to.
//
// It takes nothing from a session's own word: what the backup has is what was delivered into its
// memory, what left is what the node put on the wire.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/base/bytes.h"
#include "emulator/base/units.h"
#include "ftcore/sim/side.h"

namespace ftvm::ftcore::sim {

/// The rules, in the order of docs/testing.md.
enum class Rule : std::uint8_t {
  kOneStream,       // What is seen outside is one stream: repeats, but no contradiction and no gap.
  kOutputRule,      // Nothing leaves before the other side has its mark, or is out by arbitration.
  kOneLive,         // At most one node releases in an epoch, and at most one is live.
  kReplay,          // What the survivor did is what its own journal says.
  kProgress,        // When the faults are over, who is left serves.
  kHaltedIsHalted,  // Who halted releases nothing.
  kReplica,  // The backup computes what its primary computed, and is given what it was given.
};
std::string_view rule_name(Rule rule);

struct Violation {
  Rule rule;
  std::string what;
};

class Oracle {
 public:
  static constexpr std::size_t kViolationsMax = 20;

  /// A node put console bytes on the wire. `covered`: the other side has the mark in its memory.
  void released(Side from, Epoch epoch, std::uint64_t offset, ByteView bytes, bool covered);
  /// They came to the receiver, which did not fence them off.
  void arrived(Side from, std::uint64_t offset, ByteView bytes);
  void went_live(Side side, Epoch epoch);
  /// It halted, finished or died: it is live no more.
  void gone(Side side, bool halted);

  void violated(Rule rule, std::string what);
  [[nodiscard]] const std::vector<Violation>& violations() const { return violations_; }
  /// What the receiver has. Units: bytes.
  [[nodiscard]] std::uint64_t shown() const { return shown_; }
  [[nodiscard]] std::uint64_t repeats() const { return repeats_; }
  /// A node went live alone.
  [[nodiscard]] bool ever_live() const { return ever_live_; }
  /// What the receiver has, as far as a node was seen to say it.
  [[nodiscard]] ByteView stream() const {
    return ByteView(said_).first(std::min<std::size_t>(shown_, said_.size()));
  }

 private:
  Bytes said_;                               // All that ever left, by offset.
  std::uint64_t shown_ = 0;                  // So much of it has arrived.
  std::uint64_t repeats_ = 0;                // Bytes that arrived again.
  std::map<std::uint64_t, Side> releasers_;  // By epoch.
  bool ever_live_ = false;
  PerSide<bool> halted_{};
  PerSide<std::optional<Epoch>> live_{};
  std::vector<Violation> violations_;
};

}  // namespace ftvm::ftcore::sim
