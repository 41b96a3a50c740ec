// Where in the console's stream the bytes begin that a node gives out. A primary's begin where its
// machine stood at the start. A backup's first release is everything that it holds when it goes
// live, and ends where its machine stands then.
#pragma once

#include <cstdint>
#include <optional>

#include "emulator/world.h"
#include "ftcore/protocol/action.h"

namespace ftvm::ftcore {

/// Threading: the owner's lock.
class ReleaseOffset {
 public:
  explicit ReleaseOffset(bool of_backup) : of_backup_(of_backup) {}
  /// The stream stands at `offset`.
  void start(std::uint64_t offset) { emitted_ = started_ = offset; }
  /// An output that the session is told of, in one step with that: a machine that is live prints on
  /// before anybody carries out what was decided.
  void emitted(const Output& output);
  /// Something that the session has decided, in one step with the decision.
  void decided(const Action& action);
  /// Offset of the first byte of the first release. Once that was decided.
  [[nodiscard]] std::uint64_t first() const;

 private:
  bool of_backup_;
  std::uint64_t started_ = 0;
  std::uint64_t emitted_ = 0;
  std::optional<std::uint64_t> first_;  // Of a backup.
};

}  // namespace ftvm::ftcore
