// What passes between the vCPU thread and the node thread of one process of a pair. The vCPU says
// what its machine did; the node, which owns the protocol session and all sockets, says what the
// machine may do. Neither ever waits for the other while the guest can run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "emulator/base/units.h"
#include "emulator/world.h"
#include "replay/record.h"

namespace ftvm::ftcore {

/// What the node wants of the vCPU thread. Levels hold until changed; the rest is handed over once.
struct Orders {
  // Levels.
  bool paused = false;
  double duty = 1;
  std::optional<Epoch> live;          // This node alone is the machine, in this epoch.
  std::optional<std::string> halted;  // Stop for good, and why.
  struct Finished {
    EndReason reason;
    std::string note;
  };
  std::optional<Finished> finished;
  std::optional<std::int64_t> boot_unix_s;  // Of a backup that takes its primary's.
  bool draining = false;  // Nothing more will come: run to the last record or grant.
  // Once.
  std::vector<replay::RecordBody> journal;  // To append at the next stop.
  std::vector<replay::Record> records;      // A backup's input, consecutive.
  std::optional<Tick> grant;
};

/// Threading: vCPU thread, but for the implementation's own locks.
class NodeLink {
 public:
  virtual ~NodeLink() = default;

  // What the machine did, in the order in which it did it.
  virtual void on_record(const replay::Record& record) = 0;
  virtual void on_output(JournalSeq mark, const Output& output) = 0;
  virtual void on_progress(Tick tick) = 0;
  virtual void on_executed(Tick tick, JournalSeq consumed) = 0;
  virtual void on_drained() = 0;
  virtual void on_diverged(const std::string& text) = 0;
  virtual void on_end(EndReason reason) = 0;
  virtual void on_leave() = 0;
  /// The vCPU has nothing to do until something arrives: no progress is no failure.
  virtual void set_idle(bool idle) = 0;

  /// Current levels, and everything handed over since the last call.
  virtual Orders take_orders() = 0;
  /// Sleeps until there may be new orders, a stop was requested, or a short time has passed.
  virtual void wait_for_orders() = 0;
};

}  // namespace ftvm::ftcore
