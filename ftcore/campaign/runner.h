// Does the runs of a plan, block by block, each block in a process of its own, some at a time. A
// block's tally depends on the plan and its number alone, so a campaign may be broken off, go on
// later, or be done in shards on several machines.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "emulator/base/result.h"
#include "ftcore/campaign/isolated.h"
#include "ftcore/campaign/plan.h"
#include "ftcore/campaign/program_run.h"
#include "ftcore/campaign/shard.h"

namespace ftvm::ftcore::campaign {

class Runner {
 public:
  struct Options {
    unsigned jobs = 1;
    Shard shard{};
    /// Runs of a block; without it, about a second's. Those of a program are one each.
    std::optional<std::uint64_t> block_runs;
    /// With so many failures no new block is begun. 0: never.
    std::uint64_t failures_max = 0;
    /// After so long no new block is begun.
    std::optional<std::int64_t> budget_ms;
    /// A run that takes longer has failed.
    std::int64_t run_ms_max = 60'000;
    /// Runs are done by the plan's program, and not in the simulator.
    std::optional<ProgramPlace> program;
  };
  struct Progress {
    std::uint64_t runs = 0;  // Those of earlier campaigns included.
    std::uint64_t runs_in_all = 0;
    std::uint64_t failovers = 0;
    std::uint64_t failures = 0;
    std::size_t marks = 0;  // Passed, in blocks that are done.
    std::size_t marks_in_all = 0;
    std::int64_t ms = 0;  // Since run() began.
    std::uint64_t runs_here = 0;
  };
  struct Hooks {
    /// A block is done; an error ends the campaign.
    std::function<Status(std::uint64_t block, const Tally&)> done;
    /// Several times a second.
    std::function<void(const Progress&)> look;
    /// Asked as often: stop at once.
    std::function<bool()> stop;
  };

  /// Lifetime: `plan` and `guests` outlive the runner.
  Runner(const Plan& plan, const Guests& guests, Options options)
      : plan_(plan), guests_(guests), options_(std::move(options)) {}

  /// Blocks that need not be done again. Before run().
  void already_done(std::uint64_t block, Tally tally) { tallies_[block] = std::move(tally); }
  /// Errors: those of a hook; kIo.
  Status run(const Hooks& hooks);

  /// Every block of the shard is done.
  [[nodiscard]] bool complete() const { return tallies_.size() == blocks().size(); }
  /// Of all blocks that are done, in their order.
  [[nodiscard]] Tally total() const;

 private:
  struct Worker {
    std::uint64_t block = 0;
    /// Runs that have taken a process of this block with them: they are not done again.
    std::map<std::uint64_t, Failure> deadly;
    std::unique_ptr<Isolated> process;
    std::uint64_t seed = 0;  // Where it was when it was last seen to move.
    std::int64_t moved_ms = 0;
  };

  /// Runs of a block. It is what is lost when a campaign is broken off: about a second, or one run
  /// of a program.
  [[nodiscard]] std::uint64_t block_runs() const;
  [[nodiscard]] std::vector<std::uint64_t> blocks() const;
  [[nodiscard]] Tally run_block(const Worker& worker, IsolatedProgress& progress) const;
  Status begin(Worker worker, std::int64_t now_ms);
  Status fill(std::int64_t now_ms);
  void wait_for_some();
  Status settle(Worker worker, std::int64_t now_ms, const Hooks& hooks);
  void watch(std::int64_t now_ms);
  [[nodiscard]] Progress progress(std::int64_t now_ms) const;

  const Plan& plan_;
  const Guests& guests_;
  const Options options_;
  std::map<std::uint64_t, Tally> tallies_;  // By block.
  std::vector<std::uint64_t> to_do_;        // In reverse.
  std::vector<Worker> workers_;
  std::uint64_t runs_before_ = 0;  // Of blocks that were done already.
};

}  // namespace ftvm::ftcore::campaign
