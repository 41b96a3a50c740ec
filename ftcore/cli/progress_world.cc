#include "ftcore/cli/progress_world.h"

#include <unistd.h>

#include <cstdio>

namespace ftvm::cli {
namespace {

constexpr std::chrono::milliseconds kInterval{500};

}  // namespace

ProgressWorld::ProgressWorld(World& inner, const char* verb, bool quiet)
    : ForwardingWorld(inner), verb_(verb), shown_(!quiet && isatty(STDERR_FILENO) != 0) {}

bool ProgressWorld::should_end(Tick now, EndReason* reason) {
  if (!said_tick_) said_tick_ = now;
  const Clock::time_point host = shown_ ? Clock::now() : said_at_;
  if (host - said_at_ >= kInterval) {
    const double seconds = std::chrono::duration<double>(host - said_at_).count();
    const auto ticks = static_cast<double>(now.value - said_tick_->value);
    std::fprintf(stderr, "\r\033[K%s %.0f million ticks, %.0f million a second", verb_,
                 static_cast<double>(now.value) / 1e6, ticks / seconds / 1e6);
    line_open_ = true;
    said_at_ = host;
    said_tick_ = now;
  }
  return ForwardingWorld::should_end(now, reason);
}

void ProgressWorld::end(Tick now, EndReason reason, const Digest& state) {
  if (line_open_) std::fputs("\r\033[K", stderr);  // Its line is the result's.
  ForwardingWorld::end(now, reason, state);
}

}  // namespace ftvm::cli
