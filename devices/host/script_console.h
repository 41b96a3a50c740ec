// A console that types by itself: "when this appears, send that". It reacts to output at the tick
// of the output, so under the virtual clock a scripted run is the same each time.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "devices/host/console_endpoint.h"
#include "devices/host/console_inbox.h"
#include "emulator/base/thread_annotations.h"

namespace ftvm::devices::host {

class ScriptConsole final : public ConsoleEndpoint {
 public:
  /// Steps are taken in order. `wait` is searched in what was printed since the last match; the
  /// empty text is there at once.
  struct Step {
    std::string wait;
    std::string send;
  };
  /// `on_done` is called when the last step was taken, on the thread that wrote.
  explicit ScriptConsole(std::vector<Step> steps, std::function<void()> on_done = nullptr);

  std::size_t take_input(Bytes& out, std::size_t max) override { return inbox_.take(out, max); }
  void write(std::uint64_t offset, ByteView bytes) override;
  void set_wakeup(std::function<void()> wakeup) override { inbox_.set_wakeup(std::move(wakeup)); }

  /// All that was printed, each offset once. Range: the first kTranscriptBytesMax bytes.
  [[nodiscard]] std::string transcript() const FTVM_EXCLUDES(mutex_);
  [[nodiscard]] std::size_t steps_done() const FTVM_EXCLUDES(mutex_);

 private:
  bool advance() FTVM_REQUIRES(mutex_);

  const std::vector<Step> steps_;
  const std::function<void()> on_done_;
  ConsoleInbox inbox_;
  mutable Mutex mutex_;
  std::uint64_t next_offset_ FTVM_GUARDED_BY(mutex_) = 0;
  std::string transcript_ FTVM_GUARDED_BY(mutex_);
  std::size_t matched_ FTVM_GUARDED_BY(mutex_) = 0;  // End of the last match.
  std::size_t step_ FTVM_GUARDED_BY(mutex_) = 0;
  bool done_ FTVM_GUARDED_BY(mutex_) = false;
};

}  // namespace ftvm::devices::host
