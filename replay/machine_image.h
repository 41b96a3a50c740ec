// The real machine as something that snapshots are taken of.
#pragma once

#include "emulator/machine.h"
#include "replay/snapshot.h"

namespace ftvm::replay {

/// Lifetime: borrows the machine. Only on a grid line or before the first tick.
class MachineImage final : public SnapshotImage {
 public:
  explicit MachineImage(Machine& machine) : machine_(machine) {}
  [[nodiscard]] Tick tick() override { return machine_.now().tick; }
  void visit_state(StateVisitor& v) override { machine_.visit_state(v); }
  [[nodiscard]] std::span<std::uint8_t> ram() override { return machine_.memory().bytes(); }
  void clear_ram() override { machine_.memory().clear(); }
  void state_loaded() override { machine_.state_loaded(); }
  Digest digest_all() override { return machine_.digest_all(); }

 private:
  Machine& machine_;
};

}  // namespace ftvm::replay
