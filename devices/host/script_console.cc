#include "devices/host/script_console.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace ftvm::devices::host {
namespace {

constexpr std::size_t kTranscriptBytesMax = std::size_t{64} << 20;

std::size_t sent_bytes(const std::vector<ScriptConsole::Step>& steps) {
  return std::accumulate(steps.begin(), steps.end(), std::size_t{0},
                         [](std::size_t sum, const auto& step) { return sum + step.send.size(); });
}

}  // namespace

ScriptConsole::ScriptConsole(std::vector<Step> steps, std::function<void()> on_done)
    : steps_(std::move(steps)), on_done_(std::move(on_done)), inbox_(sent_bytes(steps_)) {
  const MutexLock lock(mutex_);
  advance();
}

void ScriptConsole::write(std::uint64_t offset, ByteView bytes) {
  bool finished = false;
  {
    const MutexLock lock(mutex_);
    // After a failover outputs may repeat; a script sees each byte once.
    const std::uint64_t known = next_offset_ - std::min(next_offset_, offset);
    if (known >= bytes.size()) return;
    next_offset_ = offset + bytes.size();
    bytes = bytes.subspan(static_cast<std::size_t>(known));
    const std::size_t room = kTranscriptBytesMax - transcript_.size();
    for (const std::uint8_t byte : bytes.first(std::min(bytes.size(), room))) {
      transcript_.push_back(static_cast<char>(byte));
    }
    finished = advance();
  }
  if (finished && on_done_) on_done_();
}

/// True when the last step was just taken.
bool ScriptConsole::advance() {
  for (; step_ < steps_.size(); ++step_) {
    const Step& step = steps_[step_];
    const std::size_t found = transcript_.find(step.wait, matched_);
    if (found == std::string::npos) {
      // The next search need not look again at what can not be the start of a match.
      const std::size_t kept = step.wait.size() - 1;
      matched_ = std::max(matched_, transcript_.size() - std::min(transcript_.size(), kept));
      return false;
    }
    matched_ = found + step.wait.size();
    const auto* text = reinterpret_cast<const std::uint8_t*>(step.send.data());
    inbox_.push({text, step.send.size()});
  }
  return !std::exchange(done_, true);
}

std::string ScriptConsole::transcript() const {
  const MutexLock lock(mutex_);
  return transcript_;
}

std::size_t ScriptConsole::steps_done() const {
  const MutexLock lock(mutex_);
  return step_;
}

}  // namespace ftvm::devices::host
