// The primary's half of the protocol: takes one backup in, keeps every output back until that
// backup has acknowledged it, and finds out what to do when either of them goes. The vCPU must
// stand still until the first SetPaused{false}.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/base/units.h"
#include "emulator/world.h"
#include "ftcore/protocol/action.h"
#include "ftcore/protocol/journal_buffer.h"
#include "ftcore/protocol/lag_control.h"
#include "ftcore/protocol/message.h"
#include "ftcore/protocol/session.h"
#include "ftcore/protocol/session_core.h"
#include "replay/record.h"

namespace ftvm::ftcore {

class PrimarySession final : public Session {
 public:
  struct Options {
    Uuid pair{};         // Random when the pair is new.
    Uuid incarnation{};  // Random for each start of the process.
    replay::MachineIdentity identity{};
    JournalSeq start_seq{};  // Last record before the first one of this run; 0 at power-on.
    Tick start{};            // Where the machine stands; 0 at power-on.
    Digest start_snapshot{};
    std::string arbiter{};                         // Canonical text of the arbiter option.
    Epoch epoch{1};                                // Of the first protection. Range: above 0.
    std::array<std::uint8_t, 32> heartbeat_key{};  // Random.
    std::uint16_t heartbeat_port = 0;
    std::uint32_t detection_ms = 200;
    std::uint32_t heartbeat_ms = 20;
    bool alone = false;  // Never take a backup: epoch 0, runs at once.
    LagControl::Options lag{};
    JournalBuffer::Options buffer{};
    /// Outputs held above this pause the machine. Units: bytes.
    std::uint64_t held_bytes_max = std::uint64_t{16} << 20;
  };
  /// For status and metrics.
  struct Metrics {
    Role role;
    Epoch epoch;
    Verdict peer;
    OutputGate::Counters gate;
    SessionCore::Counters core;
    LagControl::Measures lag;
    double duty;
    bool paused;
    std::uint64_t unacknowledged_bytes;
    JournalSeq recorded, sent, accepted;
    JournalSeq confirmed;  // As told to the backup.
    Tick progress, granted, executed;
  };
  /// Least time between two grants, and how long a record waits that no output waits for. What it
  /// adds to the execution lag is a small part of the target; what a message costs on both nodes is
  /// not small.
  static constexpr std::int64_t kGrantNs = 20 * kNsPerMs;
  /// The same while lag control lets the primary run less than kSlowedDuty: then messages cost
  /// nobody anything, and what a slow backup has sooner is known sooner.
  static constexpr std::int64_t kGrantSlowedNs = 5 * kNsPerMs;
  static constexpr double kSlowedDuty = 0.5;
  /// Least time between two messages that outputs are confirmed.
  static constexpr std::int64_t kConfirmedNs = 50 * kNsPerMs;

  PrimarySession(Options options, HostTime now);

  void on_message(const Message& message, HostTime now) override;
  void on_channel_closed(HostTime now) override;
  void on_heartbeat(const Heartbeat& heartbeat, HostTime arrived) override;
  void on_tick(HostTime now) override;
  [[nodiscard]] HostTime next_due() const override;
  void on_record(const replay::Record& record, HostTime now) override;
  void on_output(JournalSeq mark, Output output, HostTime now) override;
  void on_progress(Tick tick, HostTime now) override;
  void on_end(EndReason reason, HostTime now) override;
  void on_confirmed(JournalSeq mark, HostTime now) override;
  void on_slot(Epoch epoch, SlotAnswer answer, HostTime now) override;
  void on_arbiter(Epoch epoch, ArbiterAnswer answer, HostTime now) override;
  [[nodiscard]] bool can_pause() const override { return !is_final(core_.role()); }
  void on_pause(bool paused, HostTime now) override;
  [[nodiscard]] bool can_hand_over() const override;
  void on_leave(HostTime now) override;
  std::vector<Action> poll_actions() override { return core_.take_actions(); }
  [[nodiscard]] Role role() const override { return core_.role(); }
  [[nodiscard]] Epoch epoch() const override { return core_.epoch(); }
  [[nodiscard]] bool paused() const override { return paused_; }
  /// What the backup has acknowledged; alone, what is recorded.
  [[nodiscard]] JournalSeq kept() const override;
  [[nodiscard]] Metrics metrics() const;

 private:
  void on_hello(const Hello& hello);
  [[nodiscard]] std::string reason_to_refuse(const Hello& hello) const;
  void welcome(const Hello& hello);
  void dispatch(const Message& message);
  void on_joined(const Joined& joined);
  void on_ack(const Ack& ack);
  void break_off(const std::string& why);
  void on_left(const std::string& why);
  void abandon_join(std::string_view why);
  void ask_slot();
  void protect();
  void backup_lost(std::string_view why);
  void judge_peer();
  void send_what_is_due();
  void flush();
  [[nodiscard]] bool something_to_grant() const;
  [[nodiscard]] HostTime grant_due() const;
  void tell_confirmed();
  void settle();
  void update_pause();
  [[nodiscard]] bool out_of_credit() const;
  void start_heartbeats();
  void finish_lone();
  /// A session is on and its channel open.
  [[nodiscard]] bool connected() const;
  [[nodiscard]] std::int64_t detection_ns() const;

  Options options_;
  SessionCore core_;
  JournalBuffer buffer_;
  LagControl lag_;
  // The handshake.
  Uuid backup_incarnation_;
  std::uint16_t backup_heartbeat_port_ = 0;
  std::uint64_t sessions_ = 0;
  bool joined_ = false;
  bool slot_asked_ = false;
  Backoff slot_backoff_;
  // The run.
  bool started_ = false;  // Protected, or alone.
  bool operator_paused_ = false;
  bool flow_paused_ = false;
  bool paused_ = true;  // As last told by SetPaused.
  bool ended_ = false;
  EndReason end_reason_ = EndReason::kStopped;
  std::string lost_why_;
  double duty_told_ = 1;
  JournalSeq recorded_;
  Tick progress_;
  HostTime progressed_at_;
  double ran_ns_ = 0;  // The machine's own time, in this session.
  Tick granted_;       // The backup may run to here.
  HostTime granted_at_;
  Tick executed_;  // The backup's.
  JournalSeq confirmed_;
  JournalSeq confirmed_told_;
  HostTime confirmed_at_;
};

}  // namespace ftvm::ftcore
