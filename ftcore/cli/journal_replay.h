// A journal, its machine and the World that leads it, put together: what `replay`, `digest --run`
// and `snapshot` have in common. The machine starts where the journal does, or at a snapshot that
// was taken of the same run.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "emulator/base/result.h"
#include "ftcore/cli/guest_machine.h"
#include "ftcore/cli/options.h"
#include "replay/journal_reader.h"
#include "replay/replaying_world.h"

namespace ftvm::cli {

/// Whether a machine at `start` may follow the journal of `header`, and from which record on: it
/// returns the last record before. Errors: kUsage when the journal starts at a snapshot and there
/// is none; kMismatch when it is another one, with both names.
Result<JournalSeq> first_position(const replay::JournalHeader& header, const StartPoint& start);

/// The records of a journal without those up to `last`. Errors of next(): kMismatch when the
/// journal ends before, or has later ticks than `tick` there; and the journal's own.
class RecordsBehind final : public replay::RecordSource {
 public:
  struct Place {
    JournalSeq last;
    Tick tick;
  };
  /// Lifetime: borrows the source.
  RecordsBehind(replay::RecordSource& source, Place place) : source_(source), place_(place) {}
  Result<std::optional<replay::Record>> next() override;

 private:
  Status skip();

  replay::RecordSource& source_;
  Place place_;
  std::optional<Status> skipped_;
};

class JournalReplay {
 public:
  using OnOutput = std::function<void(const Output&)>;
  /// Errors: those of the reader, of GuestMachine::create_for and of first_position.
  static Result<std::unique_ptr<JournalReplay>> open(const std::string& path,
                                                     const MachineOptions& options,
                                                     OnOutput on_output);

  [[nodiscard]] const replay::JournalReader& reader() const { return *reader_; }
  [[nodiscard]] GuestMachine& guest() { return *guest_; }
  [[nodiscard]] replay::ReplayingWorld& world() { return *world_; }
  /// What has become of a run: bad data of the journal is an error, a divergence is kExitDiverged,
  /// printed on standard error.
  Result<int> verdict() const;
  /// The first difference in words, and what the guest was doing there. Precondition: there is one.
  [[nodiscard]] std::string divergence_text() const;

 private:
  JournalReplay() = default;
  std::unique_ptr<replay::JournalReader> reader_;
  std::unique_ptr<GuestMachine> guest_;
  std::unique_ptr<RecordsBehind> source_;
  std::unique_ptr<replay::ReplayingWorld> world_;
  std::string place_;  // Of the first difference.
};

}  // namespace ftvm::cli
