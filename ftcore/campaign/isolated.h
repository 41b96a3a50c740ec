// Runs in a process of their own: a failed assertion of the product, a crash or an endless loop
// takes that process and not the campaign, which learns at which run it happened.
//
// Source: fork(2), memfd_create(2), prctl(2) PR_SET_PDEATHSIG.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "emulator/base/result.h"
#include "emulator/base/scoped_fd.h"
#include "ftcore/campaign/tally.h"

namespace ftvm::ftcore::campaign {

/// What the process says while it works, in memory that both have.
struct IsolatedProgress {
  std::atomic<std::uint64_t> seed{0};  // Of the run under way.
  std::atomic<std::uint64_t> runs{0};  // Behind it.
  std::atomic<std::uint64_t> failovers{0};
};

class Isolated {
 public:
  using Work = std::function<Tally(IsolatedProgress&)>;
  /// Its tally, or how it died and what it said last.
  struct Ended {
    std::optional<Tally> tally;
    std::uint64_t seed = 0;  // Of the run that was under way.
    std::string died;
  };

  /// Starts a process for `work`. It is killed with this object, and with this process.
  /// Precondition: no other thread runs. Errors: kIo.
  static Result<std::unique_ptr<Isolated>> start(const Work& work);
  ~Isolated();
  Isolated(const Isolated&) = delete;
  Isolated& operator=(const Isolated&) = delete;

  /// Readable when there is something for read_some().
  [[nodiscard]] int fd() const { return result_.get(); }
  /// True when the process has ended.
  bool read_some();
  /// Waits for the process. Precondition: read_some() has said true, or the process is killed.
  [[nodiscard]] Ended ended();
  void kill();
  [[nodiscard]] const IsolatedProgress& progress() const { return *progress_; }

 private:
  struct Unmap {
    void operator()(IsolatedProgress* progress) const;
  };
  Isolated() = default;
  [[noreturn]] void live(const Work& work, int result_fd, pid_t parent);
  [[nodiscard]] std::string last_words() const;

  std::unique_ptr<IsolatedProgress, Unmap> progress_;
  ScopedFd result_;  // The read end of a pipe.
  ScopedFd errors_;  // Its standard error, in memory.
  pid_t pid_ = -1;
  std::string text_;
};

/// One piece of work, waited for. Errors: kIo.
Result<Isolated::Ended> run_isolated(const Isolated::Work& work);

}  // namespace ftvm::ftcore::campaign
