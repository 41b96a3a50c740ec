#include "ftcore/sim/cluster.h"

#include <algorithm>
#include <utility>

#include "emulator/base/assert.h"
#include "emulator/base/mark.h"
#include "ftcore/protocol/backup_session.h"
#include "ftcore/protocol/primary_session.h"
#include "replay/record_source.h"
#include "replay/replaying_world.h"

namespace ftvm::ftcore::sim {
namespace {

/// A served machine answers within this after its faults are over: what the arbiter's longest pause
/// between two questions takes, and a good deal.
constexpr std::int64_t kProgressNs = 10'000 * kNsPerMs;
constexpr std::int64_t kEndNs = 10'000 * kNsPerMs;
constexpr std::int64_t kStepNs = 5 * kNsPerMs;

Uuid uuid_of(std::uint8_t fill) {
  Uuid id;
  id.bytes.fill(fill);
  return id;
}

/// A journal in memory, from its first record.
class KeptSource final : public replay::RecordSource {
 public:
  explicit KeptSource(const std::vector<replay::Record>& records) : records_(records) {}
  Result<std::optional<replay::Record>> next() override {
    if (at_ == records_.size()) return std::optional<replay::Record>();
    return std::optional<replay::Record>(records_[at_++]);
  }

 private:
  const std::vector<replay::Record>& records_;
  std::size_t at_ = 0;
};

/// Nothing ends it.
class EndlessTurn final : public Turn {
 public:
  [[nodiscard]] bool over() const override { return false; }
  [[nodiscard]] Tick target() const override { return Tick::never(); }
};

}  // namespace

/// As a planted bug changes what is between the nodes.
Cluster::Options Cluster::planted(Options options) {
  options.arbiter.two_winners = kPlantsCompiledIn && options.plant == Plant::kTwoWinners;
  return options;
}

Cluster::Cluster(Options options, MakeGuest make_guest)
    : options_(planted(std::move(options))),
      make_guest_(std::move(make_guest)),
      random_(options_.seed),
      channel_(events_, random_.fork("channel"), options_.channel),
      arbiter_(events_, random_.fork("arbiter"), options_.arbiter),
      receiver_(events_, random_.fork("receiver"), options_.receiver, oracle_),
      met_(options_.plan.size()) {
  for (const Side side : {Side::kPrimary, Side::kBackup}) {
    guests_[side] = make_guest_(side);
    nodes_[side] = make_node(side);
  }
  for (std::size_t i = 0; i < options_.plan.size(); ++i) {
    const Fault& fault = options_.plan[i];
    if (!fault.moment) events_.after(fault.after_us * kNsPerUs, [this, i] { strike(i); });
  }
}

SimNode::Options Cluster::node_options(Side side) const {
  SimNode::Options options = options_.nodes[side];
  options.side = side;
  options.incarnation = uuid_of(side == Side::kPrimary ? 2 : 3);
  options.plant = options_.plant;
  return options;
}

std::unique_ptr<SimNode> Cluster::make_node(Side side) {
  const SimNode::Options options = node_options(side);
  const auto session = [&](HostTime now) -> std::unique_ptr<Session> {
    if (side == Side::kPrimary) {
      return std::make_unique<PrimarySession>(
          PrimarySession::Options{.pair = uuid_of(1),
                                  .incarnation = options.incarnation,
                                  .arbiter = "sim",
                                  .detection_ms = options_.detection_ms,
                                  .heartbeat_ms = options_.heartbeat_ms,
                                  .held_bytes_max = options_.held_bytes_max},
          now);
    }
    return std::make_unique<BackupSession>(
        BackupSession::Options{.incarnation = options.incarnation, .arbiter = "sim"}, now);
  };
  return std::make_unique<SimNode>(
      options,
      SimNode::Surroundings{
          .events = events_,
          .channel = channel_,
          .arbiter = arbiter_,
          .receiver = receiver_,
          .oracle = oracle_,
          .beat = [this](Side from, const Heartbeat& beat) { on_beat(from, beat); },
          .passed = [this](Side at, Moment what, std::uint64_t n) { on_moment(at, what, n); },
          .peer_has = [this,
                       side](JournalSeq seq) { return nodes_[other(side)]->delivered() >= seq; },
          .peer_sent = [this, side] { return nodes_[other(side)]->sent(); }},
      random_.fork(side_name(side)), *guests_[side], session);
}

// --- faults

void Cluster::on_beat(Side from, const Heartbeat& heartbeat) {
  const Side to = other(from);
  Beats& beats = beats_[to];
  if (beats.lost_until > events_.now()) return;
  const auto arrives = [&](std::int64_t ns) {
    events_.after(ns, [this, to, heartbeat] { nodes_[to]->on_heartbeat(heartbeat); });
  };
  std::int64_t ns =
      options_.channel.latency_ns_min + static_cast<std::int64_t>(random_.below(1'000 * kNsPerUs));
  if (beats.late_until > events_.now()) {
    FTVM_MARK("sim.beat_late");
    ns += static_cast<std::int64_t>(random_.below(3)) * options_.detection_ms * kNsPerMs;
  }
  arrives(ns);
  if (beats.twice_until > events_.now()) arrives(ns + 1'000);
}

void Cluster::on_moment(Side side, Moment moment, std::uint64_t number) {
  if (options_.trace) {
    const SimNode& node = *nodes_[side];
    options_.trace({events_.now(), side, moment, number, node.role(), node.epoch(), node.at()});
  }
  for (std::size_t i = 0; i < options_.plan.size(); ++i) {
    const Fault& fault = options_.plan[i];
    if (met_[i] || fault.moment != moment || fault.side != side || number < fault.number) continue;
    strike(i);
  }
}

void Cluster::strike(std::size_t index) {
  const Fault& fault = options_.plan[index];
  if (nodes_[fault.side]->process().dead()) return;
  met_[index] = true;
  const HostTime until = events_.in(fault.for_us * kNsPerUs);
  calm_from_ = std::max(calm_from_, until);
  if (is_lethal(fault.kind) && !can_take_over(other(fault.side))) {
    FTVM_MARK("sim.machine_lost");
    machine_lost_ = true;
  }
  strike_network(fault, until);
  strike_node(fault);
}

void Cluster::strike_node(const Fault& fault) {
  SimNode& node = *nodes_[fault.side];
  const auto later = [&](EventQueue::Event event) {
    events_.after(fault.for_us * kNsPerUs, std::move(event));
  };
  switch (fault.kind) {
    case FaultKind::kKill:
    case FaultKind::kLoseHost:
      return node.die(fault.kind == FaultKind::kLoseHost);
    case FaultKind::kStop:
      node.stop();
      return later([&node] { node.go_on(); });
    case FaultKind::kWedge:
      return node.wedge();
    case FaultKind::kSlow:
      node.slow_down(fault.share);
      return later([&node] { node.slow_down(1); });
    case FaultKind::kClockJump:
      return node.jump_clock(fault.for_us * kNsPerUs);
    case FaultKind::kPause:
      node.pause(true);
      return later([&node] { node.pause(false); });
    case FaultKind::kEnd:
      planned_end_ = true;
      return node.request_end(fault.reason);
    default:
      return;
  }
}

void Cluster::strike_network(const Fault& fault, HostTime until) {
  Beats& beats = beats_[fault.side];
  switch (fault.kind) {
    case FaultKind::kReset:
      return channel_.reset();
    case FaultKind::kStall:
      return channel_.stall(fault.side, until);
    case FaultKind::kPartition:
      for (const Side side : {Side::kPrimary, Side::kBackup}) {
        channel_.stall(side, until);
        beats_[side].lost_until = until;
      }
      return;
    case FaultKind::kCorrupt:
      return channel_.corrupt_next(fault.side);
    case FaultKind::kBeatsLost:
      beats.lost_until = until;
      return;
    case FaultKind::kBeatsLate:
      beats.late_until = until;
      return;
    case FaultKind::kBeatsTwice:
      beats.twice_until = until;
      return;
    case FaultKind::kArbiterAway:
      return arbiter_.leave(until);
    case FaultKind::kArbiterSlow:
      return arbiter_.slow_down(until, 200 * kNsPerMs);
    case FaultKind::kArbiterMute:
      return arbiter_.lose_replies(until);
    case FaultKind::kArbiterTorn:
      return arbiter_.tear_next_write();
    default:
      return;
  }
}

/// What the protocol promises: once protected, either goes on without the other. Before that a
/// primary waits for another backup, which nobody brings here.
bool Cluster::can_take_over(Side side) const {
  const SimNode& node = *nodes_[side];
  if (node.process().dead() || node.wedged() || is_final(node.role())) return false;
  const Role role = node.role();
  return role != Role::kSyncing && role != Role::kWaiting && role != Role::kJoining;
}

// --- the run

std::optional<Side> Cluster::live() const {
  for (const Side side : {Side::kPrimary, Side::kBackup}) {
    const SimNode& node = *nodes_[side];
    if (node.process().dead()) continue;
    if (node.role() == Role::kLone || node.role() == Role::kPrimary) return side;
  }
  return std::nullopt;
}

std::string Cluster::roles() const {
  std::string text;
  for (const Side side : {Side::kPrimary, Side::kBackup}) {
    const SimNode& node = *nodes_[side];
    text += (text.empty() ? "" : ", ") + std::string(side_name(side)) + " " +
            std::string(role_name(node.role())) + (node.process().dead() ? ", dead" : "") +
            (node.wedged() ? ", wedged" : "") + (node.over() ? ", over" : "");
  }
  return text;
}

/// A slot that nobody can win leaves nobody who may live, and who asks for it asks for ever.
bool Cluster::lost() const {
  return machine_lost_ || arbiter_.torn();
}

/// Until something new has been seen outside, at most for as long as a machine may take.
bool Cluster::serves() {
  const std::uint64_t before = oracle_.shown();
  const HostTime until = events_.in(kProgressNs);
  while (oracle_.shown() == before && events_.now() < until) {
    if (events_.step(until)) note_shown();
  }
  return oracle_.shown() > before;
}

void Cluster::note_shown() {
  if (oracle_.shown() == shown_) return;
  if (shown_ != 0) silence_ns_ = std::max(silence_ns_, events_.now().ns - shown_at_.ns);
  shown_ = oracle_.shown();
  shown_at_ = events_.now();
}

Cluster::Outcome Cluster::run() {
  for (const Side side : {Side::kPrimary, Side::kBackup}) nodes_[side]->start();
  const HostTime end{options_.run_us * kNsPerUs};
  while (events_.step(std::max(end, calm_from_))) note_shown();
  wind_up();
  return outcome();
}

/// It won, and a fault took it before it could live: the other one has to halt.
bool Cluster::winner_is_gone() const {
  for (const Side side : {Side::kPrimary, Side::kBackup}) {
    const SimNode& node = *nodes_[side];
    const bool gone = node.process().dead() || node.wedged();
    if (gone && arbiter_.has_won(node_options(side).incarnation)) return true;
  }
  return false;
}

/// A fault took the backup before the pair was one: the primary waits for another, which nobody
/// brings here.
bool Cluster::never_protected() const {
  const SimNode& backup = *nodes_[Side::kBackup];
  const bool gone = backup.process().dead() || is_final(backup.role());
  const Role role = nodes_[Side::kPrimary]->role();
  return gone && (role == Role::kWaiting || role == Role::kJoining);
}

/// A backup that has not joined yet asks for a primary as long as it lives, and there is none.
bool Cluster::waits_for_ever(Side side) const {
  const SimNode& primary = *nodes_[Side::kPrimary];
  const bool gone = primary.process().dead() || is_final(primary.role());
  const bool joined = nodes_[side]->epoch() > Epoch{0};
  return side == Side::kBackup && gone && !joined;
}

/// Who is left must serve, and end when asked; then its journal says what it did.
void Cluster::wind_up() {
  const auto over = [this](Side side) {
    const SimNode& node = *nodes_[side];
    return node.process().dead() || node.over() || node.wedged() || waits_for_ever(side);
  };
  if (!lost() && !planned_end_ && !serves()) {
    // A fault at a moment may have struck only now.
    machine_lost_ = machine_lost_ || winner_is_gone() || never_protected();
    if (!lost() && !planned_end_) {
      oracle_.violated(Rule::kProgress, "nobody serves: " + roles());
    }
  }
  const HostTime until = events_.in(kEndNs);
  while (!(over(Side::kPrimary) && over(Side::kBackup)) && events_.now() < until) {
    // Whoever is live by now: the last output may have been that of a node which is gone.
    if (const auto side = live()) nodes_[*side]->request_end(EndReason::kStopped);
    events_.run(std::min(until, events_.in(kStepNs)));
  }
  if (lost()) return;
  for (const Side side : {Side::kPrimary, Side::kBackup}) {
    if (over(side)) continue;
    oracle_.violated(Rule::kProgress, std::string(side_name(side)) + ": does not end, as " +
                                          std::string(role_name(nodes_[side]->role())));
  }
  replay_survivor();
}

void Cluster::replay_survivor() {
  for (const Side side : {Side::kPrimary, Side::kBackup}) {
    const SimNode& node = *nodes_[side];
    const auto& records = node.journal().records;
    if (records.empty() || !std::holds_alternative<replay::End>(records.back().body)) continue;
    KeptSource source(records);
    replay::ReplayingWorld world(source,
                                 {.digest_every_lines = options_.nodes[side].digest_every_lines});
    const std::unique_ptr<SimGuest> guest = make_guest_(Side::kPrimary);
    (void)guest->run(world, EndlessTurn());
    if (!world.divergence()) continue;
    oracle_.violated(Rule::kReplay, std::string(side_name(side)) + ": its journal says " +
                                        world.divergence()->text());
  }
}

Cluster::Outcome Cluster::outcome() {
  Outcome outcome;
  outcome.violations = oracle_.violations();
  outcome.events = events_.done();
  outcome.shown_bytes = oracle_.shown();
  outcome.repeated_bytes = oracle_.repeats();
  outcome.failed_over = oracle_.ever_live();
  outcome.machine_lost = lost();
  outcome.silence_ns = silence_ns_;
  outcome.met = met_;
  Bytes all(oracle_.stream().begin(), oracle_.stream().end());
  ByteWriter writer(all);
  for (const Side side : {Side::kPrimary, Side::kBackup}) {
    const SimNode& node = *nodes_[side];
    writer.put(node.at().value);
    writer.put(static_cast<std::uint8_t>(node.role()));
    writer.put(node.epoch().value);
    writer.put(std::uint64_t{node.journal().records.size()});
  }
  writer.put(outcome.events);
  writer.put(static_cast<std::uint64_t>(events_.now().ns));
  for (const Violation& violation : outcome.violations) {
    writer.put(static_cast<std::uint8_t>(violation.rule));
  }
  outcome.digest = digest_of(all);
  return outcome;
}

}  // namespace ftvm::ftcore::sim
