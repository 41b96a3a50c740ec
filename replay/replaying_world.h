// The World of a replay: inputs come from a record source at their ticks, outputs go nowhere but
// are compared with the source's marks, and no time passes on the host.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "emulator/base/result.h"
#include "emulator/world.h"
#include "replay/record_source.h"
#include "replay/replay_cursor.h"

namespace ftvm::replay {

class ReplayingWorld final : public World {
 public:
  struct Options {
    JournalSeq last_seq{};  // Where the source starts: JournalHeader::start_seq and ::start.
    Tick start{};
    std::uint32_t digest_every_lines = 0;
    /// Sees every output that is as recorded, in order: a replayed console can be shown.
    std::function<void(const Output&)> on_output{};
    /// Called at the first difference, while the machine is there.
    std::function<void()> on_divergence{};
  };

  /// Lifetime: borrows the source for its own lifetime.
  ReplayingWorld(RecordSource& source, Options options);

  Tick horizon(Tick now) override;
  std::vector<Input> take_inputs(Tick now, GuestTime time, InputRoom room) override;
  /// Never sleeps.
  Tick wait(Tick now, GuestTime time, Tick next_due) override;
  void grid_line(Tick now, std::uint64_t line, StateProbe& probe) override;
  void emit(Output output) override;
  /// Ends with kJournalEnd at the End record, or at the last record of a journal without one; with
  /// kDiverged at the first difference.
  bool should_end(Tick now, EndReason* reason) override;
  void end(Tick now, EndReason reason, const Digest& state) override;

  [[nodiscard]] const std::optional<Divergence>& divergence() const { return cursor_.divergence(); }
  /// What the source said instead of a record. The run ended where its records ended.
  [[nodiscard]] const Status& source_status() const { return source_status_; }
  /// Every record up to this one was delivered or found to be met.
  [[nodiscard]] JournalSeq done_seq() const { return cursor_.done_seq(); }

 private:
  void pull();
  void notice_divergence();

  RecordSource& source_;
  ReplayCursor cursor_;
  std::function<void(const Output&)> on_output_;
  std::function<void()> on_divergence_;  // Null once called.
  Status source_status_;
  bool exhausted_ = false;
};

}  // namespace ftvm::replay
