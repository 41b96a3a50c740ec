// A World around a World: everything passes through, and what decides the run is appended to a
// record sink on the way.
//
// The order is the point of this class. A record is taken by the sink *before* what it describes
// has an effect: an input is appended before it is given to the machine, an output before it is
// given to the inner world. When the sink refuses a record,
//   - the input, and those behind it, are not delivered: the machine has not seen them;
//   - the output is dropped: the outside has not seen it;
//   - the run ends at the next stop: no input is taken and no tick is granted before that.
// So what happened before the refusal is exactly what the journal says. Only if an output mark or a
// digest mark got lost, the machine has gone on further than the journal knows; then no End is
// appended, and a replay ends at the last record.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "emulator/base/result.h"
#include "emulator/world.h"
#include "replay/record.h"

namespace ftvm::replay {

class RecordingWorld final : public World {
 public:
  struct Options {
    /// Number of the last record before the first one that is appended here.
    JournalSeq last_seq{};
    /// From the machine's identity.
    std::uint32_t digest_every_lines = 0;
  };

  /// Lifetime: borrows both for its own lifetime.
  RecordingWorld(World& inner, RecordSink& sink, Options options)
      : inner_(inner), sink_(sink), options_(options), last_seq_(options.last_seq) {}

  Tick horizon(Tick now) override;
  std::vector<Input> take_inputs(Tick now, GuestTime time, InputRoom room) override;
  Tick wait(Tick now, GuestTime time, Tick next_due) override;
  void grid_line(Tick now, std::uint64_t line, StateProbe& probe) override;
  /// While the inner world's emit() runs, last_seq() is the number of the output's mark.
  void emit(Output output) override;
  /// Ends with kDiskFull when the sink had no space, with kStopped when it failed otherwise.
  bool should_end(Tick now, EndReason* reason) override;
  void end(Tick now, EndReason reason, const Digest& state) override;

  /// Appends a record that is neither input nor output (Protected, Alone), at the current stop.
  /// Errors: the sink's; the run ends then as above.
  Status append_mark(Tick now, RecordBody body);

  [[nodiscard]] JournalSeq last_seq() const { return last_seq_; }
  /// Why the sink refused a record, if it did.
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  Status append(Tick at, Endpoint endpoint, RecordBody body);

  World& inner_;
  RecordSink& sink_;
  Options options_;
  JournalSeq last_seq_;
  Tick last_at_;
  std::optional<Error> error_;
  /// The machine did something that the journal should say and does not.
  bool mark_lost_ = false;
};

}  // namespace ftvm::replay
