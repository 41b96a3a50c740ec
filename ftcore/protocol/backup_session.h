// The backup's half of the protocol: says hello, takes the journal in without a gap, and when the
// primary goes, lets the machine run to the last received position, asks the arbiter, goes live.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/base/units.h"
#include "emulator/world.h"
#include "ftcore/protocol/action.h"
#include "ftcore/protocol/execution_lag.h"
#include "ftcore/protocol/journal_inbox.h"
#include "ftcore/protocol/message.h"
#include "ftcore/protocol/session.h"
#include "ftcore/protocol/session_core.h"
#include "replay/record.h"

namespace ftvm::ftcore {

class BackupSession final : public Session {
 public:
  struct Options {
    Uuid incarnation{};  // Random for each start of the process.
    replay::MachineIdentity identity{};
    /// The machine powers on at the primary's time of day: see SetBootTime. The identity's is 0.
    bool takes_time = false;
    JournalSeq start_seq{};
    Tick start{};
    Digest start_snapshot{};
    std::string arbiter{};
    std::uint16_t heartbeat_port = 0;
    /// Records the machine has not consumed. Units: bytes. Range: at least kRecordCostMax.
    std::uint64_t queue_bytes_max = std::uint64_t{16} << 20;
    /// Own outputs kept for a takeover; beyond it the oldest are forgotten. Units: bytes.
    std::uint64_t held_bytes_max = std::uint64_t{16} << 20;
  };
  /// For status and metrics.
  struct Metrics {
    Role role;
    Epoch epoch;
    bool paused;
    Verdict peer;
    OutputGate::Counters gate;
    SessionCore::Counters core;
    std::uint64_t room_bytes;
    JournalSeq accepted, consumed;
    JournalSeq confirmed;  // Own outputs up to here are not kept.
    Tick limit, executed;
    double execution_lag_ms;
  };
  static constexpr std::int64_t kHelloNs = 1'000 * kNsPerMs;  // Between two hellos.
  /// Longest time without a report of execution. Longer than the primary's kGrantNs: the records
  /// that come with a grant are acknowledged at once, and that is a report.
  static constexpr std::int64_t kAckNs = 25 * kNsPerMs;
  /// The same while it is this far behind: lag control steers by reports.
  static constexpr std::int64_t kAckBehindNs = 10 * kNsPerMs;
  static constexpr double kBehindMs = 50;

  BackupSession(Options options, HostTime now);

  void on_message(const Message& message, HostTime now) override;
  void on_channel_closed(HostTime now) override;
  void on_heartbeat(const Heartbeat& heartbeat, HostTime arrived) override;
  void on_tick(HostTime now) override;
  [[nodiscard]] HostTime next_due() const override;
  void on_executed(Tick executed, JournalSeq consumed, HostTime now) override;
  void on_progress(Tick tick, HostTime now) override { on_executed(tick, {}, now); }
  void on_output(JournalSeq mark, Output output, HostTime now) override;
  void on_drained(HostTime now) override;
  void on_diverged(const std::string& text, HostTime now) override;
  void on_end(EndReason reason, HostTime now) override;
  void on_arbiter(Epoch epoch, ArbiterAnswer answer, HostTime now) override;
  /// Once live. A backup stands still when its primary does; on its own it would only fall behind,
  /// and a pause of its own would outlast the primary's death.
  [[nodiscard]] bool can_pause() const override { return core_.role() == Role::kLone; }
  void on_pause(bool paused, HostTime now) override;
  void on_leave(HostTime now) override;
  std::vector<Action> poll_actions() override { return core_.take_actions(); }
  [[nodiscard]] Role role() const override { return core_.role(); }
  [[nodiscard]] Epoch epoch() const override { return core_.epoch(); }
  [[nodiscard]] bool paused() const override { return paused_; }
  /// Once live, everything: there is nobody whose word would be needed.
  [[nodiscard]] JournalSeq kept() const override;
  [[nodiscard]] Metrics metrics() const;

 private:
  void say_hello();
  void before_session(const Message& message);
  void on_welcome(const Message& message, const Welcome& welcome);
  void dispatch(const Message& message);
  void on_records(const Records& message);
  [[nodiscard]] Status check_marks(std::span<const replay::Record> records) const;
  void on_control_record(const replay::Record& record);
  void on_grant(const Progress& progress);
  void take_confirmed(const Confirmed& confirmed);
  void break_off(const std::string& why);
  void primary_lost(std::string_view why);
  void drain();
  void try_live();
  void try_finish();
  void judge_peer();
  void send_ack();
  [[nodiscard]] bool has_news() const;
  void report_execution();
  [[nodiscard]] std::int64_t report_ns() const;
  void start_heartbeats();
  /// In a session, receiving, with an open channel.
  [[nodiscard]] bool connected() const;

  Options options_;
  SessionCore core_;
  JournalInbox inbox_;
  ExecutionLag lag_;
  bool joined_ = false;
  HostTime hello_at_;
  Welcome welcome_;  // Once joined.
  bool paused_ = false;
  bool drained_ = false;
  bool ended_ = false;    // The journal has its planned end.
  bool goodbye_ = false;  // Behind it the primary said that every output has left.
  EndReason end_reason_ = EndReason::kStopped;
  Tick executed_;
  Ack acked_;  // As last sent.
  HostTime acked_at_;
  bool ack_due_ = false;  // Records came since.
  JournalSeq confirmed_;
};

}  // namespace ftvm::ftcore
