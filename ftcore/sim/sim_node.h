// One process of a simulated pair: the production session, worlds and receipts around a guest, and
// in place of the node's thread and its sockets the event queue. The vCPU runs in turns; what a
// session decides is carried out a drawn time later, as by a node thread that had to be woken.
//
// What ftcore/node does for real, with locks and descriptors, this does in virtual time.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "emulator/base/prng.h"
#include "ftcore/node/backup_world.h"
#include "ftcore/node/live_half.h"
#include "ftcore/node/node_link.h"
#include "ftcore/node/output_receipts.h"
#include "ftcore/node/release_offset.h"
#include "ftcore/protocol/session.h"
#include "ftcore/sim/early_marks.h"
#include "ftcore/sim/event_queue.h"
#include "ftcore/sim/moment.h"
#include "ftcore/sim/oracle.h"
#include "ftcore/sim/plant.h"
#include "ftcore/sim/side.h"
#include "ftcore/sim/sim_arbiter.h"
#include "ftcore/sim/sim_channel.h"
#include "ftcore/sim/sim_clock.h"
#include "ftcore/sim/sim_guest.h"
#include "ftcore/sim/sim_outside.h"
#include "ftcore/sim/sim_process.h"
#include "ftcore/sim/sim_receiver.h"
#include "replay/recording_world.h"

namespace ftvm::ftcore::sim {

/// A node's own journal, as a file would hold it.
struct KeptJournal final : replay::RecordSink {
  Status append(const replay::Record& record) override {
    records.push_back(record);
    return {};
  }
  std::vector<replay::Record> records;
};

class SimNode final : public NodeLink {
 public:
  struct Options {
    Side side = Side::kPrimary;
    Uuid incarnation{};
    SimClock clock{};
    SimOutside::Options outside{};
    std::uint64_t ticks_per_ms = 1'000;         // Of its vCPU.
    std::int64_t turn_ns_max = 500 * kNsPerUs;  // A turn of the vCPU stands for up to so much.
    std::int64_t wake_ns_max = 100 * kNsPerUs;  // Until what a session decided is carried out.
    std::uint32_t digest_every_lines = 1;
    Plant plant = Plant::kNone;
  };
  /// What is between the nodes, and around them. Lifetime: borrowed.
  struct Surroundings {
    EventQueue& events;
    SimChannel& channel;
    SimArbiter& arbiter;
    SimReceiver& receiver;
    Oracle& oracle;
    /// A beat of this side is on its way.
    std::function<void(Side, const Heartbeat&)> beat;
    /// Told of each moment; the node may be dead afterwards.
    std::function<void(Side, Moment, std::uint64_t)> passed;
    /// Whether the other side has this record in its memory.
    std::function<bool(JournalSeq)> peer_has;
    /// The last record that the other side has sent.
    std::function<JournalSeq()> peer_sent;
  };

  /// `session` is made at the node's own time.
  SimNode(Options options, Surroundings around, Prng random, SimGuest& guest,
          const std::function<std::unique_ptr<Session>(HostTime)>& session);
  SimNode(const SimNode&) = delete;
  SimNode& operator=(const SimNode&) = delete;

  /// Attaches itself and goes.
  void start();

  // Faults and the operator.

  [[nodiscard]] const SimProcess& process() const { return process_; }
  /// Dies, with its host or without.
  void die(bool with_host);
  void stop() { process_.stop(); }
  void go_on();
  /// The vCPU hangs, the rest of the process lives.
  void wedge() { wedged_ = true; }
  [[nodiscard]] bool wedged() const { return wedged_; }
  /// Its vCPU runs at this share of its speed. Range: above 0 up to 1.
  void slow_down(double speed) { speed_ = speed; }
  /// Its host's clock is ahead by so much from now on.
  void jump_clock(std::int64_t ns);
  void request_end(EndReason reason) { outside_.request_end(reason); }
  void pause(bool paused);
  /// A datagram of the other side, as it came.
  void on_heartbeat(const Heartbeat& heartbeat);

  [[nodiscard]] Role role() const;
  [[nodiscard]] Epoch epoch() const;
  [[nodiscard]] Tick at() const { return at_; }
  /// Last record that a primary has given to the channel.
  [[nodiscard]] JournalSeq sent() const;
  /// Last record in a backup's memory.
  [[nodiscard]] JournalSeq delivered() const { return delivered_; }
  /// The machine's run is over, and the protocol has said how.
  [[nodiscard]] bool over() const { return over_; }
  [[nodiscard]] const KeptJournal& journal() const { return journal_; }

  // NodeLink: of the vCPU.
  void on_record(const replay::Record& record) override;
  void on_output(JournalSeq mark, const Output& output) override;
  void on_progress(Tick tick) override;
  void on_executed(Tick tick, JournalSeq consumed) override;
  void on_drained() override;
  void on_diverged(const std::string& text) override;
  void on_end(EndReason reason) override;
  void on_leave() override;
  void set_idle(bool idle) override { idle_ = idle; }
  Orders take_orders() override;
  void wait_for_orders() override;

 private:
  class VcpuTurn final : public Turn {
   public:
    explicit VcpuTurn(const SimProcess& process) : process_(process) {}
    [[nodiscard]] bool over() const override { return given_back || !process_.running(); }
    [[nodiscard]] Tick target() const override { return until; }
    Tick until;
    bool given_back = false;

   private:
    const SimProcess& process_;
  };
  /// The worlds of a primary, one around the other.
  struct Recorded {
    Recorded(SimNode& node, std::uint32_t digest_every_lines);
    LiveHalf half;
    RecordTee tee;
    replay::RecordingWorld world;
  };

  /// An output that the gate has.
  struct Held {
    JournalSeq mark;
    Output output;
  };
  /// Records that Plant::kSkipDrain keeps from the vCPU.
  static constexpr std::size_t kHeldBack = 8;

  [[nodiscard]] bool planted(Plant plant) const {
    return kPlantsCompiledIn && options_.plant == plant;
  }

  // Of the session.
  [[nodiscard]] HostTime now() const { return options_.clock.local(around_.events.now()); }
  template <class Call>
  void decide(Call call);
  template <class Call>
  void decide_and_act(Call call);
  void note_decided(const Action& action);
  void look_later();
  void tick_later();
  void carry_out();
  /// False when it did not survive.
  bool pass(Moment moment);
  bool pass(Moment moment, std::uint64_t number);
  std::int64_t draw(std::int64_t most);

  // Of the network.
  void on_message(const Bytes& bytes);
  void on_channel_closed();
  void on_channel_connected();
  void on_confirmed(std::uint64_t console_offset);
  void beat_later(std::uint64_t generation);

  void act(const Send& send);
  void act(const CloseChannel&);
  void act(const StartHeartbeats& start);
  void act(const StopHeartbeats&);
  void act(const OpenSlot& open);
  void act(const Arbitrate& arbitrate);
  void act(const Journal& journal);
  void act(const SetBootTime& time);
  void act(const Deliver& deliver);
  void act(const Grant& grant);
  void act(const Drain&);
  void act(const Release& release);
  void act(const GoLive& live);
  void act(const Halt& halt);
  void act(const Finish& finish);
  void act(const SetDuty& duty);
  void act(const SetPaused& paused);
  void put_out(const Held& held);
  void falsify(replay::Record& record) const;
  Orders& news();

  // Of the vCPU.
  void vcpu_at(HostTime when);
  void use(World& world);
  void take_turn();
  void settle();
  void stand_at(Tick tick);

  Options options_;
  Surroundings around_;
  Prng random_;
  SimGuest& guest_;
  SimProcess process_;
  VcpuTurn turn_{process_};
  SimOutside outside_;
  KeptJournal journal_;
  std::unique_ptr<Recorded> recorded_;     // Of a primary.
  std::unique_ptr<BackupWorld> followed_;  // Of a backup.
  std::optional<EarlyMarks> early_marks_;
  World* world_ = nullptr;  // The outermost of them.
  std::unique_ptr<Session> session_;

  std::deque<Action> actions_;
  bool carrying_out_ = false;
  bool looking_ = false;  // The node thread was woken.
  HostTime tick_at_ = HostTime::never();
  std::optional<StartHeartbeats> beats_;
  std::uint64_t beat_generation_ = 0;
  std::uint64_t beat_number_ = 0;
  std::optional<Bytes> unsent_hello_;  // Said when there is a connection.
  std::array<std::uint64_t, kMomentNames.size()> passed_{};

  Orders orders_;
  Tick at_;
  double speed_ = 1;
  double duty_ = 1;
  bool idle_ = false;
  bool wedged_ = false;
  bool waiting_ = false;   // For orders.
  bool run_over_ = false;  // The guest's.
  bool over_ = false;      // The node's.
  HostTime vcpu_at_ = HostTime::never();

  JournalSeq delivered_;
  std::deque<Held> held_;  // Of a primary, as its gate has them.
  std::vector<replay::Record> held_back_;
  OutputReceipts receipts_;  // Of a primary.
  ReleaseOffset release_offset_;
  std::uint64_t released_ = 0;  // Offset of the next console byte, once it gives out any.
  bool releases_ = false;
};

/// Calls into the session; what it decides waits for the node thread.
template <class Call>
void SimNode::decide(Call call) {
  call(*session_, now());
  for (Action& action : session_->poll_actions()) {
    note_decided(action);
    actions_.push_back(std::move(action));
  }
  tick_later();
}

template <class Call>
void SimNode::decide_and_act(Call call) {
  decide(call);
  carry_out();
}

}  // namespace ftvm::ftcore::sim
