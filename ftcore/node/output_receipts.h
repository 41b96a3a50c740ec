// Which outputs a receiver that outlives this process has confirmed, as the number of the last mark
// below which there is none that is not. The console's client confirms by its offset in the stream.
//
// What nobody receives (the debug port) waits for nobody; an endpoint that has no receipts yet is
// never confirmed, and neither is anything behind it.
//
// Why: docs/runbook.md, "What a takeover puts out again".
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "emulator/base/units.h"
#include "emulator/world.h"

namespace ftvm::ftcore {

/// Threading: the owner's lock.
class OutputReceipts {
 public:
  /// Outputs that are remembered one by one. Beyond it the oldest count as confirmed only with a
  /// later one: coarser, never wrong.
  static constexpr std::size_t kPendingMax = 4096;

  /// The console stream stands at `console_offset`.
  void start(std::uint64_t console_offset) { console_end_ = console_offset; }
  /// An output with its mark. Range: marks rise.
  void emitted(JournalSeq mark, const Output& output);
  /// Console bytes before `console_offset` are confirmed. Returns the last mark up to which every
  /// output is; never falls.
  JournalSeq confirmed(std::uint64_t console_offset);

 private:
  struct Pending {
    JournalSeq mark;
    std::uint64_t console_end;  // Confirmed when the console is to here. Never falls.
  };
  std::deque<Pending> pending_;
  std::uint64_t console_end_ = 0;
  JournalSeq confirmed_;
};

}  // namespace ftvm::ftcore
