// What a primary's and a backup's session have in common: the role and the gate that follows it,
// who a message is from, the question to the arbiter, and the list of actions.
//
// It is not a session: it reacts to nothing by itself but the arbiter's silence.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "emulator/base/units.h"
#include "ftcore/protocol/action.h"
#include "ftcore/protocol/backoff.h"
#include "ftcore/protocol/failure_detector.h"
#include "ftcore/protocol/message.h"
#include "ftcore/protocol/output_gate.h"
#include "ftcore/protocol/role.h"

namespace ftvm::ftcore {

/// Whom a message comes from, by what its envelope says.
enum class Origin : std::uint8_t {
  kPeer,      // This pair, session and epoch.
  kFormer,    // This pair, an older epoch: somebody who does not know yet that it is over.
  kStranger,  // Anything else.
  kNewer,     // This pair, a newer epoch: this node is over.
};

class SessionCore {
 public:
  /// Most actions between two calls of poll_actions(); more means that nobody polls.
  static constexpr std::size_t kActionsMax = 4096;

  struct Counters {
    std::uint64_t ignored = 0;          // Messages and heartbeats that were not for this session,
                                        // or not for this role.
    std::uint64_t illegal_events = 0;   // Role events that were not an edge.
    std::uint64_t arbiter_unknown = 0;  // Answers that said nothing.
    std::uint64_t gaps = 0;             // Sessions ended by a peer that broke the protocol.
  };

  SessionCore(Role role, Uuid incarnation);

  /// Longest time between two on_tick() of a session.
  static constexpr std::int64_t kTickNsMax = 20 * kNsPerMs;
  /// When the next one is due at the latest: twice before the detector would take its own owner for
  /// stopped.
  [[nodiscard]] HostTime tick_due() const {
    const std::int64_t quarter = detection_ns_ == 0 ? kTickNsMax : detection_ns_ / 4;
    return {now_.ns + std::min(kTickNsMax, quarter)};
  }

  /// Host time as this session knows it: never falls, even if callers on two threads took theirs
  /// in the other order.
  HostTime advance(HostTime now);
  [[nodiscard]] HostTime now() const { return now_; }

  /// Goes along an edge of the role table and sets the gate. False (counted) when there is none.
  [[nodiscard]] bool step(RoleEvent event);
  [[nodiscard]] Role role() const { return role_; }

  /// Whom this node talks to. A zero session talks to nobody.
  struct Peer {
    Uuid pair;
    Uuid session;
    Epoch epoch;
  };
  void set_peer(const Peer& peer, std::int64_t detection_ns);
  [[nodiscard]] const Peer& peer() const { return peer_; }
  [[nodiscard]] Epoch epoch() const { return peer_.epoch; }
  [[nodiscard]] Uuid incarnation() const { return incarnation_; }
  [[nodiscard]] bool channel_open() const { return channel_open_; }

  [[nodiscard]] Origin origin_of(const Message& message) const;
  /// Handles every origin but the peer's own, and the peer's when the channel is closed. True when
  /// the message is for the session.
  [[nodiscard]] bool admit(const Message& message);
  /// The same for heartbeats, whose numbers must rise; tells the detector what it says. `arrived`
  /// may lie a little in the past: it is when the heartbeat thread had it.
  void admit(const Heartbeat& heartbeat, HostTime arrived);

  using Body = decltype(Message::body);
  /// To the peer of the session. Range: the channel is open.
  void send(Body body, Send::To to = Send::To::kPeer);
  /// To whoever sent the message being handled, outside any session.
  void answer_sender(Body body);
  /// Nothing was sent for `quiet_ns`.
  [[nodiscard]] bool quiet_for(std::int64_t quiet_ns) const;
  /// The channel is over, for a reason of its own or because the peer broke the protocol.
  void close_channel();
  void break_channel(const std::string& why);

  void act(Action action);
  std::vector<Action> take_actions() { return std::exchange(actions_, {}); }
  /// Lets out whatever the gate allows now.
  void release();
  void halt(RoleEvent event, const std::string& reason);
  /// The last action of a planned end; the role is kFinished already.
  void finish(EndReason reason, std::string note);

  /// Asks for the slot of the current epoch, now and again until there is an answer.
  void arbitrate();
  void arbitrate_again();
  /// True when the answer is one to the question asked and decides it: see won(). A loss halts.
  [[nodiscard]] bool on_arbiter(Epoch epoch, ArbiterAnswer answer);
  [[nodiscard]] bool won() const { return won_; }
  /// After a win, with nothing left to drain: epoch + 1, live, everything held leaves.
  /// `journal` is false when the run has ended and nothing can follow.
  void go_live(bool journal);

  [[nodiscard]] OutputGate& gate() { return gate_; }
  [[nodiscard]] const OutputGate& gate() const { return gate_; }
  [[nodiscard]] FailureDetector& detector() { return detector_; }
  [[nodiscard]] const FailureDetector& detector() const { return detector_; }
  void ignore(const char* what);
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  Role role_;
  OutputGate gate_;
  FailureDetector detector_;
  Uuid incarnation_;
  Peer peer_;
  HostTime now_;
  HostTime sent_at_;
  std::optional<HostTime> fenced_at_;  // Last answer to a former peer.
  std::int64_t detection_ns_ = 0;
  std::uint64_t heartbeat_number_ = 0;
  bool channel_open_ = false;
  bool asking_ = false;  // The arbiter has a question of ours.
  bool won_ = false;
  bool arbitrating_ = false;
  Backoff arbiter_backoff_;
  std::vector<Action> actions_;
  Counters counters_;
};

}  // namespace ftvm::ftcore
