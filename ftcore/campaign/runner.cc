#include "ftcore/campaign/runner.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "emulator/base/mark.h"

namespace ftvm::ftcore::campaign {
namespace {

constexpr std::uint64_t kToyBlockRuns = 1'000;
constexpr std::uint64_t kMachineBlockRuns = 20;
/// A block with so many deadly runs ends there: each of them costs a new process and what the one
/// before had done.
constexpr std::size_t kDeadlyRunsMax = 8;
constexpr int kLookMs = 200;

std::int64_t now_ms() {
  using std::chrono::duration_cast, std::chrono::milliseconds, std::chrono::steady_clock;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace

std::uint64_t Runner::block_runs() const {
  if (options_.program) return 1;
  if (options_.block_runs) return *options_.block_runs;
  const bool toys = std::all_of(plan_.guests.begin(), plan_.guests.end(),
                                [](const std::string& name) { return name == kToyGuest; });
  return toys ? kToyBlockRuns : kMachineBlockRuns;
}

/// In the process that was made for it.
Tally Runner::run_block(const Worker& worker, IsolatedProgress& progress) const {
  Tally tally;
  const std::uint64_t from = worker.block * block_runs();
  const std::uint64_t to = std::min(plan_.runs, from + block_runs());
  std::size_t dead = 0;
  for (std::uint64_t i = from; i < to && dead < kDeadlyRunsMax; ++i) {
    const std::uint64_t seed = plan_.seed + i;
    progress.seed = seed;
    const auto known = worker.deadly.find(seed);
    if (known != worker.deadly.end()) {
      ++dead;
      tally.add(Verdict{.seed = seed, .failure = known->second});
    } else if (options_.program) {
      tally.add(execute_program(plan_, seed, *options_.program));
    } else {
      tally.add(execute_seed(plan_, seed, guests_));
    }
    progress.runs = tally.runs;
    progress.failovers = tally.failovers;
  }
  if (!options_.program) tally.marks = mark_counts();
  return tally;
}

std::vector<std::uint64_t> Runner::blocks() const {
  std::vector<std::uint64_t> mine;
  const std::uint64_t all = (plan_.runs + block_runs() - 1) / block_runs();
  for (std::uint64_t i = options_.shard.index - 1; i < all; i += options_.shard.count) {
    mine.push_back(i);
  }
  return mine;
}

Status Runner::begin(Worker worker, std::int64_t now) {
  worker.process = FTVM_TRY(
      Isolated::start([&](IsolatedProgress& progress) { return run_block(worker, progress); }));
  worker.moved_ms = now;
  workers_.push_back(std::move(worker));
  return {};
}

Status Runner::fill(std::int64_t now) {
  while (!to_do_.empty() && workers_.size() < options_.jobs) {
    Worker worker;
    worker.block = to_do_.back();
    to_do_.pop_back();
    FTVM_TRY(begin(std::move(worker), now));
  }
  return {};
}

void Runner::wait_for_some() {
  std::vector<pollfd> fds;
  fds.reserve(workers_.size());
  for (const Worker& each : workers_) fds.push_back({each.process->fd(), POLLIN, 0});
  (void)::poll(fds.data(), fds.size(), kLookMs);
}

/// A worker whose process has ended: its block is done, or is begun again without the run that took
/// the process.
Status Runner::settle(Worker worker, std::int64_t now, const Hooks& hooks) {
  Isolated::Ended ended = worker.process->ended();
  if (!ended.tally) {
    const bool endless = now - worker.moved_ms > options_.run_ms_max;
    worker.deadly[ended.seed] = {
        ended.seed, std::string(endless ? kEndsRule : kAssertionRule),
        endless ? "did not end in " + std::to_string(options_.run_ms_max) + " ms" : ended.died};
    worker.process.reset();
    return begin(std::move(worker), now);
  }
  if (hooks.done) FTVM_TRY(hooks.done(worker.block, *ended.tally));
  tallies_[worker.block] = std::move(*ended.tally);
  return {};
}

void Runner::watch(std::int64_t now) {
  for (Worker& each : workers_) {
    const std::uint64_t seed = each.process->progress().seed;
    if (std::exchange(each.seed, seed) != seed) each.moved_ms = now;
    if (now - each.moved_ms > options_.run_ms_max) each.process->kill();
  }
}

Status Runner::run(const Hooks& hooks) {
  const std::int64_t began = now_ms();
  to_do_ = blocks();
  std::erase_if(to_do_, [this](std::uint64_t block) { return tallies_.contains(block); });
  std::reverse(to_do_.begin(), to_do_.end());
  runs_before_ = total().runs;
  for (;;) {
    const std::int64_t now = now_ms();
    const Progress seen = progress(now - began);
    if (hooks.look) hooks.look(seen);
    if (hooks.stop && hooks.stop()) break;
    const bool enough = (options_.failures_max != 0 && seen.failures >= options_.failures_max) ||
                        (options_.budget_ms && now - began >= *options_.budget_ms);
    if (enough) to_do_.clear();
    FTVM_TRY(fill(now));
    if (workers_.empty()) break;
    wait_for_some();
    watch(now);
    for (std::size_t i = 0; i < workers_.size();) {
      // Descriptors that have nothing would block: only the first of those that have is asked.
      pollfd one{workers_[i].process->fd(), POLLIN, 0};
      if (::poll(&one, 1, 0) <= 0 || !workers_[i].process->read_some()) {
        ++i;
        continue;
      }
      Worker worker = std::move(workers_[i]);
      workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(i));
      FTVM_TRY(settle(std::move(worker), now_ms(), hooks));
    }
  }
  workers_.clear();
  return {};
}

Runner::Progress Runner::progress(std::int64_t ms) const {
  Progress progress{.ms = ms};
  const std::uint64_t size = block_runs();
  for (const std::uint64_t block : blocks()) {
    progress.runs_in_all += std::min(size, plan_.runs - block * size);
  }
  const Tally done = total();
  progress.runs = done.runs;
  progress.failovers = done.failovers;
  progress.failures = done.failures.size();
  progress.marks_in_all = done.marks.size();
  progress.marks = static_cast<std::size_t>(std::count_if(
      done.marks.begin(), done.marks.end(), [](const auto& mark) { return mark.second != 0; }));
  for (const Worker& each : workers_) {
    progress.runs += each.process->progress().runs;
    progress.failovers += each.process->progress().failovers;
    progress.failures += each.deadly.size();
  }
  progress.runs_here = progress.runs - runs_before_;
  return progress;
}

Tally Runner::total() const {
  Tally total;
  for (const auto& [block, tally] : tallies_) total.add(tally);
  return total;
}

}  // namespace ftvm::ftcore::campaign
