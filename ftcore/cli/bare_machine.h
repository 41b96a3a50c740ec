// A machine that is only looked at: a snapshot is loaded into it, without kernel and initramfs, to
// read its state field by field. It never runs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "devices/board.h"
#include "emulator/base/result.h"
#include "emulator/machine.h"
#include "ftcore/cli/options.h"
#include "replay/snapshot_codec.h"

namespace ftvm::cli {

class BareMachine {
 public:
  /// Errors: those of load_snapshot; kMismatch when this program would not build that machine
  /// (another version, another board); kUnsupported.
  static Result<std::unique_ptr<BareMachine>> load(const std::string& snapshot,
                                                   const MachineOptions& options);

  [[nodiscard]] Machine& machine() { return *machine_; }
  [[nodiscard]] const replay::SnapshotPreamble& preamble() const { return preamble_; }

 private:
  BareMachine() = default;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<devices::Board> board_;
  replay::SnapshotPreamble preamble_;
};

}  // namespace ftvm::cli
