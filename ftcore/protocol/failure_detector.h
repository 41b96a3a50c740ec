// Whether the other side of the pair is there, from the times of what it sent. Two witnesses, the
// channel and the heartbeats, are kept apart: one of them alone never makes a death.
//
// It does not decide who lives: that is the arbiter's. It may be wrong about the peer, never about
// its own silence: time in which this process itself was stopped is no evidence.
//
// Source: Scales, Nelson, Venkitachalam (2010), section 2.3. Rules: docs/runbook.md,
// "Detection, load and lag".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "emulator/base/units.h"
#include "ftcore/protocol/message.h"

namespace ftvm::ftcore {

enum class ChannelSign : std::uint8_t { kHeard, kSilent, kClosed };
enum class HeartbeatSign : std::uint8_t { kHeard, kSilent };
enum class ProgressSign : std::uint8_t {
  kMoving,
  kExcused,  // Paused, or has nothing to do.
  kStalled,
};
enum class PeerState : std::uint8_t { kAlive, kSuspicious, kLost };

struct Verdict {
  PeerState state;
  std::string_view why;  // For people; a literal.
  bool operator==(const Verdict&) const = default;
};

/// One line of the decision table; nothing in a column means "whatever". The first line that fits
/// decides.
struct VerdictRow {
  std::optional<ChannelSign> channel;
  std::optional<HeartbeatSign> heartbeats;
  std::optional<ProgressSign> progress;
  Verdict verdict;
};

inline constexpr std::array<VerdictRow, 7> kVerdicts{{
    {ChannelSign::kClosed,
     HeartbeatSign::kSilent,
     std::nullopt,
     {PeerState::kLost, "channel closed and heartbeats silent"}},
    {ChannelSign::kSilent,
     HeartbeatSign::kSilent,
     std::nullopt,
     {PeerState::kLost, "channel and heartbeats silent"}},
    {std::nullopt,
     HeartbeatSign::kHeard,
     ProgressSign::kStalled,
     {PeerState::kLost, "wedged: heartbeats without progress"}},
    {ChannelSign::kClosed,
     HeartbeatSign::kHeard,
     std::nullopt,
     {PeerState::kSuspicious, "channel closed, heartbeats heard"}},
    {ChannelSign::kSilent,
     HeartbeatSign::kHeard,
     std::nullopt,
     {PeerState::kSuspicious, "channel silent, heartbeats heard"}},
    {ChannelSign::kHeard,
     HeartbeatSign::kSilent,
     std::nullopt,
     {PeerState::kSuspicious, "heartbeats silent, channel heard"}},
    {ChannelSign::kHeard,
     HeartbeatSign::kHeard,
     std::nullopt,
     {PeerState::kAlive, "channel and heartbeats heard"}},
}};

/// Total: the last four lines cover whatever the first three leave.
constexpr Verdict decide(ChannelSign channel, HeartbeatSign heartbeats, ProgressSign progress) {
  for (const VerdictRow& row : kVerdicts) {
    if (row.channel.value_or(channel) == channel &&
        row.heartbeats.value_or(heartbeats) == heartbeats &&
        row.progress.value_or(progress) == progress) {
      return row.verdict;
    }
  }
  return {PeerState::kSuspicious, "not in the table"};
}

class FailureDetector {
 public:
  struct Options {
    /// T: this long without a sign is silence. Units: nanoseconds. Range: above 0.
    std::int64_t detection_ns = 200 * kNsPerMs;
    /// A peer with heartbeats but without progress for this many T is wedged.
    std::int64_t stall_factor = 5;
  };

  explicit FailureDetector(Options options);

  /// A session began: every window starts here, and the peer counts as paused until it says more.
  void start(HostTime now);
  void stop() { started_ = false; }
  [[nodiscard]] bool started() const { return started_; }

  /// Signs of the peer's life. Each is checked for pair, session, epoch and order by the caller.
  void on_channel(HostTime now);
  void on_channel_closed() { channel_closed_ = true; }
  void on_heartbeat(HostTime now);
  /// Where the peer's vCPU stands, by whichever way it was told.
  void on_progress(Tick progress, HostTime now);
  void on_paused(bool paused, HostTime now);
  /// Whether the peer has anything to do: a backup that stands at its grant has not.
  void expect_progress(bool expected, HostTime now);

  /// The only place where silence is judged. Call at least every T / 4: a call that comes more than
  /// T / 2 after the one before it means that this process was stopped, and restarts the windows.
  Verdict on_tick(HostTime now);

  [[nodiscard]] Verdict verdict() const { return verdict_; }
  [[nodiscard]] std::uint64_t own_stops() const { return own_stops_; }

 private:
  void restart_windows(HostTime now);
  [[nodiscard]] ProgressSign progress_sign(HostTime now) const;

  Options options_;
  bool started_ = false;
  bool channel_closed_ = false;
  bool paused_ = false;
  bool expected_ = false;
  HostTime channel_at_;  // Last sign of each kind.
  HostTime heartbeat_at_;
  HostTime progress_at_;  // Last change of progress, or end of an excuse.
  HostTime tick_at_;      // Last on_tick.
  Tick progress_;
  Verdict verdict_{PeerState::kAlive, "not started"};
  std::uint64_t own_stops_ = 0;
};

}  // namespace ftvm::ftcore
