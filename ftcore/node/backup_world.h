// The World of a backup: the journal arrives from the channel, outputs are compared with its marks
// and kept. When the primary is gone it runs to the last received position, takes its own first
// input only then, and goes on as the machine.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "devices/host/live_world.h"
#include "devices/host/outside.h"
#include "emulator/world.h"
#include "ftcore/node/live_half.h"
#include "ftcore/node/node_link.h"
#include "replay/recording_world.h"
#include "replay/replay_cursor.h"

namespace ftvm::ftcore {

class BackupWorld final : public World {
 public:
  struct Options {
    JournalSeq start_seq;
    Tick start;
    std::uint32_t digest_every_lines = 0;
    std::uint64_t slice_ticks = devices::host::kSliceTicks;
    /// Stream offsets of the console where the machine starts.
    std::uint64_t console_input = 0;
    std::uint64_t console_output = 0;
    /// Called once, when this node goes live, before its first own input: with the epoch and the
    /// next console input offset.
    std::function<void(Epoch, std::uint64_t)> on_live;
    /// What the machine computed and the journal confirmed, by console offset.
    std::function<void(std::uint64_t offset, ByteView)> on_console;
    /// What the machine is doing, for the report of a divergence; starts with a line feed.
    std::function<std::string()> place_text = [] { return std::string(); };
  };

  /// Lifetime: all are borrowed.
  BackupWorld(Options options, devices::host::Outside& live, NodeLink& node);

  /// Before the run, of a machine that takes its primary's time of day: waits for it. Nothing when
  /// the node is over before, or is to stop.
  std::optional<std::int64_t> wait_for_boot_time();
  /// Before the run: a copy of the journal on this node's own disk. Lifetime: borrowed.
  void set_file(replay::RecordSink& file) { file_ = &file; }

  Tick horizon(Tick now) override;
  std::vector<Input> take_inputs(Tick now, GuestTime time, InputRoom room) override;
  Tick wait(Tick now, GuestTime time, Tick next_due) override;
  void grid_line(Tick now, std::uint64_t line, StateProbe& probe) override;
  void emit(Output output) override;
  bool should_end(Tick now, EndReason* reason) override;
  void end(Tick now, EndReason reason, const Digest& state) override;

  /// After the machine's run: stays until the node says how it ends. A guest that ended by itself
  /// before its primary's End arrived may have to go live only to end as the machine; one whose
  /// primary died behind its End, to say the last words.
  void finish(Tick now, EndReason reason, const Digest& state);
  /// One look of it, without waiting: true when there is nothing more to stay for.
  bool finished(Tick now, EndReason reason, const Digest& state);

  [[nodiscard]] bool live() const { return recording_ != nullptr; }
  /// Why its own copy of the journal ends before the run; that is no harm to the pair.
  [[nodiscard]] const std::optional<Error>& journal_lost() const { return journal_lost_; }
  /// Once live: why the run had to stop for its journal.
  [[nodiscard]] std::optional<Error> journal_error() const {
    return recording_ ? recording_->error() : std::nullopt;
  }
  [[nodiscard]] std::string note() const { return note_.empty() ? half_.note() : note_; }

 private:
  void absorb();
  void pull();
  void met(JournalSeq mark);
  void go_live(Tick now, Epoch epoch);
  [[nodiscard]] std::optional<EndReason> run_over() const;
  void go_live_to_end(Epoch epoch);
  void keep(const replay::Record& record);
  bool end_with(EndReason reason, std::string note, EndReason* out);
  bool follow_end(Tick now, EndReason* reason);

  Options options_;
  devices::host::Outside& live_;
  NodeLink& node_;
  replay::RecordSink* file_ = nullptr;
  std::optional<Error> journal_lost_;
  replay::ReplayCursor cursor_;
  std::deque<replay::Record> waiting_;  // Received, beyond what the cursor takes at once.
  Tick waiting_grant_;
  Orders orders_;             // Levels as last heard, and what is to be journalled once live.
  bool closed_ = false;       // The cursor was told that nothing more comes.
  bool drained_ = false;      // The node was told.
  bool end_told_ = false;     // Live behind the journal's End.
  std::deque<Output> unmet_;  // Own outputs whose marks have not arrived.
  LiveHalf half_;
  std::optional<RecordTee> tee_;                       // Once live.
  std::unique_ptr<replay::RecordingWorld> recording_;  // Once live.
  std::string note_;
};

}  // namespace ftvm::ftcore
