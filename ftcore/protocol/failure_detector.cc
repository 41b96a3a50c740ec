#include "ftcore/protocol/failure_detector.h"

#include <algorithm>

#include "emulator/base/assert.h"
#include "emulator/base/diag.h"
#include "emulator/base/mark.h"

namespace ftvm::ftcore {

FailureDetector::FailureDetector(Options options) : options_(options) {
  FTVM_ASSERT(options.detection_ns > 0);
  FTVM_ASSERT(options.stall_factor > 0);
}

void FailureDetector::start(HostTime now) {
  started_ = true;
  channel_closed_ = false;
  paused_ = true;
  expected_ = false;
  progress_ = {};
  channel_at_ = heartbeat_at_ = progress_at_ = tick_at_ = now;
  verdict_ = {PeerState::kAlive, "session began"};
}

void FailureDetector::on_channel(HostTime now) {
  FTVM_ASSERT(!channel_closed_);
  channel_at_ = std::max(channel_at_, now);
}

void FailureDetector::on_heartbeat(HostTime now) {
  heartbeat_at_ = std::max(heartbeat_at_, now);
}

void FailureDetector::on_progress(Tick progress, HostTime now) {
  if (progress <= progress_) return;  // The two ways overtake each other.
  progress_ = progress;
  progress_at_ = std::max(progress_at_, now);
}

void FailureDetector::on_paused(bool paused, HostTime now) {
  if (paused_ && !paused) progress_at_ = std::max(progress_at_, now);
  paused_ = paused;
}

void FailureDetector::expect_progress(bool expected, HostTime now) {
  if (!expected_ && expected) progress_at_ = std::max(progress_at_, now);
  expected_ = expected;
}

Verdict FailureDetector::on_tick(HostTime now) {
  if (!started_) return verdict_;
  FTVM_ASSERT(now >= tick_at_);
  if (now.ns - tick_at_.ns > options_.detection_ns / 2) restart_windows(now);
  tick_at_ = now;

  const auto silent = [&](HostTime since) { return now.ns - since.ns >= options_.detection_ns; };
  const ChannelSign channel = channel_closed_       ? ChannelSign::kClosed
                              : silent(channel_at_) ? ChannelSign::kSilent
                                                    : ChannelSign::kHeard;
  const HeartbeatSign heartbeats =
      silent(heartbeat_at_) ? HeartbeatSign::kSilent : HeartbeatSign::kHeard;
  const Verdict verdict = decide(channel, heartbeats, progress_sign(now));
  if (verdict.state != verdict_.state) {
    FTVM_DIAG(kWarn, "peer.judged")
        .kv("state", static_cast<unsigned>(verdict.state))
        .kv("why", verdict.why)
        .kv("channel_silent_ms", (now.ns - channel_at_.ns) / kNsPerMs)
        .kv("heartbeat_silent_ms", (now.ns - heartbeat_at_.ns) / kNsPerMs)
        .kv("progress", progress_.value);
  }
  verdict_ = verdict;
  return verdict;
}

void FailureDetector::restart_windows(HostTime now) {
  FTVM_MARK("detector.own_stop");
  FTVM_DIAG(kWarn, "node.stopped").kv("gap_ms", (now.ns - tick_at_.ns) / kNsPerMs);
  ++own_stops_;
  channel_at_ = heartbeat_at_ = progress_at_ = now;
}

ProgressSign FailureDetector::progress_sign(HostTime now) const {
  // Nothing can progress over a channel that is closed or dead for good, whatever the excuse.
  const std::int64_t stall_ns = options_.stall_factor * options_.detection_ns;
  if (now.ns - channel_at_.ns >= stall_ns) return ProgressSign::kStalled;
  if (paused_ || !expected_) return ProgressSign::kExcused;
  const bool stalled = now.ns - progress_at_.ns >= stall_ns;
  return stalled ? ProgressSign::kStalled : ProgressSign::kMoving;
}

}  // namespace ftvm::ftcore
