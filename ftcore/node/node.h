// One process of a pair without its guest: a thread that owns the channel, the heartbeats, the
// arbiter and the control socket, feeds the protocol session with what they say, and carries out
// what the session decides. The vCPU thread talks to it through NodeLink.
//
// The session is guarded by one lock; a call into it takes microseconds, so the vCPU never waits
// for a socket.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "devices/host/console_endpoint.h"
#include "devices/host/wake_event.h"
#include "emulator/base/thread_annotations.h"
#include "ftcore/arbiter/arbiter_thread.h"
#include "ftcore/node/event_limit.h"
#include "ftcore/node/node_link.h"
#include "ftcore/node/node_sleep.h"
#include "ftcore/node/output_receipts.h"
#include "ftcore/node/release_offset.h"
#include "ftcore/protocol/session.h"
#include "ftcore/transport/channel.h"
#include "ftcore/transport/control_server.h"
#include "ftcore/transport/heartbeat.h"

namespace ftvm::ftcore {

/// What a node is made of. All but console and arbiter may be null for a machine that runs alone.
struct NodeParts {
  std::unique_ptr<Channel> channel;
  std::unique_ptr<HeartbeatLink> heartbeats;
  std::unique_ptr<ArbiterThread> arbiter;
  /// Lifetime: outlives the node.
  devices::host::ConsoleEndpoint* console = nullptr;
  /// Takes what the guest wrote to its debug console, once that may leave; may be empty.
  /// Threading: called by the node thread.
  std::function<void(ByteView)> debug_sink;
  std::string peer_host;  // Of a backup: where its primary's heartbeats come from.
};

class Node final : public NodeLink {
 public:
  Node(NodeParts parts, std::unique_ptr<Session> session, HeartbeatSide side, Uuid incarnation);
  ~Node() override;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Before start(): the operator's door, and who is told that the vCPU should look up.
  void set_control(std::unique_ptr<ControlServer> control) { control_ = std::move(control); }
  void set_wakeup(std::function<void()> wakeup) { wakeup_ = std::move(wakeup); }
  void start();
  /// Host time of the node's clock.
  static HostTime now();

  // NodeLink. Threading: vCPU thread.
  void on_record(const replay::Record& record) override FTVM_EXCLUDES(mutex_);
  void on_output(JournalSeq mark, const Output& output) override FTVM_EXCLUDES(mutex_);
  void on_progress(Tick tick) override FTVM_EXCLUDES(mutex_);
  void on_executed(Tick tick, JournalSeq consumed) override FTVM_EXCLUDES(mutex_);
  void on_drained() override FTVM_EXCLUDES(mutex_);
  void on_diverged(const std::string& text) override FTVM_EXCLUDES(mutex_);
  void on_end(EndReason reason) override FTVM_EXCLUDES(mutex_);
  void on_leave() override FTVM_EXCLUDES(mutex_);
  void set_idle(bool idle) override;
  Orders take_orders() override FTVM_EXCLUDES(mutex_);
  void wait_for_orders() override;

  /// The console stream starts at `offset`. Before start().
  void set_console_offset(std::uint64_t offset) FTVM_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    release_offset_.start(offset);
    receipts_.start(offset);
  }
  /// From the operator. Threading: any thread.
  void pause(bool paused) FTVM_EXCLUDES(mutex_);
  /// Calls `read` with the session; for status and metrics.
  template <class Read>
  auto inspect(Read read) const FTVM_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return read(std::as_const(*session_));
  }
  [[nodiscard]] HeartbeatCounters heartbeat_counters() const { return heartbeats_->counters(); }

 private:
  /// `emitted`: what the call hands to the session.
  template <class Call>
  void with_session(Call call, const Output* emitted = nullptr) FTVM_EXCLUDES(mutex_);
  void run();
  void poll_once();
  [[nodiscard]] bool paused() const FTVM_EXCLUDES(mutex_);
  [[nodiscard]] int poll_ms() FTVM_EXCLUDES(mutex_);
  void wake() FTVM_EXCLUDES(mutex_);
  void receive_channel();
  void receive_message(const ChannelEvent& event);
  void receive_heartbeats();
  void receive_arbiter();
  void carry_out();
  void confirm_inputs();
  void confirm_outputs();
  void notify_vcpu();

  void act(const Send& send);
  void act(const CloseChannel&);
  void act(const StartHeartbeats& start);
  void act(const StopHeartbeats&);
  void act(const OpenSlot& open);
  void act(const Arbitrate& arbitrate);
  void act(const Journal& journal) FTVM_EXCLUDES(mutex_);
  void act(const SetBootTime& time) FTVM_EXCLUDES(mutex_);
  void act(const Deliver& deliver) FTVM_EXCLUDES(mutex_);
  void act(const Grant& grant) FTVM_EXCLUDES(mutex_);
  void act(const Drain&) FTVM_EXCLUDES(mutex_);
  void act(const Release& release);
  void act(const GoLive& live) FTVM_EXCLUDES(mutex_);
  void act(const Halt& halt) FTVM_EXCLUDES(mutex_);
  void act(const Finish& finish) FTVM_EXCLUDES(mutex_);
  void act(const SetDuty& duty) FTVM_EXCLUDES(mutex_);
  void act(const SetPaused& paused) FTVM_EXCLUDES(mutex_);
  template <class Change>
  void order(Change change) FTVM_EXCLUDES(mutex_);

  // Of the node thread.
  std::unique_ptr<Channel> channel_;
  std::unique_ptr<HeartbeatLink> heartbeats_;
  std::unique_ptr<ArbiterThread> arbiter_;
  std::unique_ptr<ControlServer> control_;
  devices::host::ConsoleEndpoint& console_;
  const std::function<void(ByteView)> debug_sink_;
  const std::string peer_host_;
  const HeartbeatSide side_;
  const Uuid incarnation_;
  PeerId peer_;    // Whom the session talks to.
  PeerId sender_;  // Of the message being handled.
  std::string sender_host_;
  std::string heartbeat_host_;
  std::optional<Bytes> unsent_hello_;  // Until there is a connection.
  std::uint64_t released_ = 0;         // Offset of the next console byte, once it gives out any.
  bool releases_ = false;
  EventLimit channel_refusals_;
  EventLimit message_refusals_;

  mutable Mutex mutex_;
  std::unique_ptr<Session> session_ FTVM_GUARDED_BY(mutex_);
  std::deque<Action> actions_ FTVM_GUARDED_BY(mutex_);
  NodeSleep sleep_ FTVM_GUARDED_BY(mutex_);  // Of the node thread.
  Orders orders_ FTVM_GUARDED_BY(mutex_);
  struct Typed {
    JournalSeq seq;
    std::uint64_t end;
  };
  std::deque<Typed> typed_ FTVM_GUARDED_BY(mutex_);  // Inputs whose acknowledgement is due.
  OutputReceipts receipts_ FTVM_GUARDED_BY(mutex_);  // Of a primary.
  ReleaseOffset release_offset_ FTVM_GUARDED_BY(mutex_);

  std::function<void()> wakeup_;
  devices::host::WakeEvent node_wake_;
  devices::host::WakeEvent vcpu_wake_;
  std::atomic<bool> idle_{false};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

/// Calls into the session and hands what it decided to the node thread.
template <class Call>
void Node::with_session(Call call, const Output* emitted) {
  bool look = false;
  {
    const MutexLock lock(mutex_);
    if (emitted != nullptr) release_offset_.emitted(*emitted);
    call(*session_, now());
    std::vector<Action> decided = session_->poll_actions();
    look = sleep_.must_be_told(!decided.empty(), session_->next_due());
    for (Action& action : decided) {
      release_offset_.decided(action);
      actions_.push_back(std::move(action));
    }
  }
  if (look) node_wake_.notify();
}

}  // namespace ftvm::ftcore
