// The arbiter decides which half of a pair may go on alone: an atomic test-and-set on storage that
// both halves share. It is asked only after a loss; it does not detect losses, elect or lock.
//
// A pair has one slot per epoch. The primary opens the slot before it journals Protected{epoch};
// after a loss either half may set it, and exactly one incarnation ever does. A slot is never
// reset.
//
// Source: Scales, Nelson, Venkitachalam, "The Design of a Practical System for Fault-Tolerant
// Virtual Machines" (2010), section 2.3; docs/formats/wire.md, "Arbiter files".
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "emulator/base/result.h"
#include "emulator/base/units.h"
#include "ftcore/protocol/arbiter_answer.h"
#include "ftcore/protocol/message.h"

namespace ftvm::ftcore {

std::string_view arbiter_answer_name(ArbiterAnswer answer);

std::string_view slot_answer_name(SlotAnswer answer);

/// Threading: one call at a time, from any thread. Calls may block for as long as the storage does;
/// see ArbiterThread.
class Arbiter {
 public:
  virtual ~Arbiter() = default;

  /// Makes the slot of (pair, epoch). Repeating it with the same incarnation is no error.
  virtual SlotAnswer open(const Uuid& pair, Epoch epoch, const Uuid& incarnation) = 0;

  /// Sets the slot of (pair, epoch) to `incarnation` unless it is set. Repeating it gives the same
  /// answer. A slot that was never opened on this storage is kUnknown: the two halves would be
  /// asking different arbiters.
  virtual ArbiterAnswer test_and_set(const Uuid& pair, Epoch epoch, const Uuid& incarnation) = 0;

  /// Canonical text of the option that made this arbiter; both halves must have the same.
  [[nodiscard]] virtual std::string describe() const = 0;

  /// Why the last call answered as it did, for people.
  [[nodiscard]] virtual std::string reason() const { return {}; }
};

/// "file:DIR": a directory on a file system that both halves mount. It need not exist yet; every
/// call finds that out anew. Errors: kUsage.
Result<std::unique_ptr<Arbiter>> make_arbiter(std::string_view option);

}  // namespace ftvm::ftcore
