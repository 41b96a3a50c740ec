#include "ftcore/sim/sim_node.h"

#include <algorithm>
#include <utility>

#include "emulator/base/assert.h"
#include "ftcore/protocol/primary_session.h"
#include "ftcore/transport/wire_codec.h"

// What the session decides is carried out in sim_node_actions.cc.

namespace ftvm::ftcore::sim {
namespace {

/// As the node's: a vCPU that waits looks up by itself.
constexpr std::int64_t kVcpuWaitNs = 5 * kNsPerMs;

}  // namespace

SimNode::Recorded::Recorded(SimNode& node, std::uint32_t digest_every_lines)
    : half(node.outside_, node),
      tee(node, &node.journal_),
      world(half, tee, {.digest_every_lines = digest_every_lines}) {
  half.set_recording(world);
}

SimNode::SimNode(Options options, Surroundings around, Prng random, SimGuest& guest,
                 const std::function<std::unique_ptr<Session>(HostTime)>& session)
    : options_(options),
      around_(std::move(around)),
      random_(random),
      guest_(guest),
      outside_(options_.outside, random.fork("outside"), turn_),
      session_(session(now())),
      release_offset_(options_.side == Side::kBackup) {
  orders_.paused = session_->paused();
  if (options_.side == Side::kPrimary) {
    recorded_ = std::make_unique<Recorded>(*this, options_.digest_every_lines);
    use(recorded_->world);
    return;
  }
  followed_ = std::make_unique<BackupWorld>(
      BackupWorld::Options{.start_seq = {},
                           .start = {},
                           .digest_every_lines = options_.digest_every_lines,
                           .slice_ticks = options_.outside.slice_ticks_max,
                           .on_live = [](Epoch, std::uint64_t) {},
                           .on_console = [](std::uint64_t, ByteView) {}},
      outside_, *this);
  followed_->set_file(journal_);
  use(*followed_);
}

void SimNode::use(World& world) {
  if (planted(Plant::kMarkEarly)) early_marks_.emplace(world);
  world_ = early_marks_ ? static_cast<World*>(&*early_marks_) : &world;
}

void SimNode::start() {
  around_.channel.attach(options_.side,
                         {.process = &process_,
                          .on_message = [this](const Bytes& bytes) { on_message(bytes); },
                          .on_closed = [this] { on_channel_closed(); },
                          .on_connected = [this] { on_channel_connected(); }});
  around_.receiver.attach(options_.side,
                          {.process = &process_, .on_confirmed = [this](std::uint64_t offset) {
                             process_.tell([this, offset] { on_confirmed(offset); });
                           }});
  // The channel has both of its ends before anybody speaks.
  around_.events.after(0, [this] {
    process_.tell([this] {
      decide_and_act([](Session&, HostTime) {});
      vcpu_at(around_.events.now());
    });
  });
}

void SimNode::die(bool with_host) {
  if (process_.dead()) return;
  if (with_host) {
    process_.lose_host();
  } else {
    process_.kill();
  }
  around_.oracle.gone(options_.side, false);
  around_.channel.on_death(options_.side);
}

void SimNode::go_on() {
  process_.go_on();
  process_.tell([this] { carry_out(); });
}

void SimNode::pause(bool paused) {
  process_.tell([this, paused] {
    decide_and_act([paused](Session& session, HostTime at) {
      if (!paused || session.can_pause()) session.on_pause(paused, at);
    });
  });
}

void SimNode::jump_clock(std::int64_t ns) {
  options_.clock.offset_ns += ns;
  process_.tell(
      [this] { decide_and_act([](Session& session, HostTime at) { session.on_tick(at); }); });
}

Role SimNode::role() const {
  return session_->role();
}
JournalSeq SimNode::sent() const {
  const auto* primary = dynamic_cast<const PrimarySession*>(session_.get());
  return primary == nullptr ? JournalSeq{} : primary->metrics().sent;
}
Epoch SimNode::epoch() const {
  return session_->epoch();
}

// --- the session

std::int64_t SimNode::draw(std::int64_t most) {
  return static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(most) + 1));
}

/// What is so from the moment of the decision, whatever becomes of the process.
void SimNode::note_decided(const Action& action) {
  if (const auto* deliver = std::get_if<Deliver>(&action)) {
    delivered_ = deliver->records.back().seq;
  }
  release_offset_.decided(action);
}

/// The vCPU has something for the node thread, which takes its time to wake up.
void SimNode::look_later() {
  if (actions_.empty() || std::exchange(looking_, true)) return;
  around_.events.after(draw(options_.wake_ns_max), [this] {
    process_.tell([this] {
      looking_ = false;
      carry_out();
    });
  });
}

void SimNode::tick_later() {
  const HostTime due = session_->next_due();
  if (due == HostTime::never()) return;
  const HostTime when = std::max(options_.clock.world(due), around_.events.in(kNsPerUs));
  if (when >= tick_at_) return;
  tick_at_ = when;
  around_.events.at(when, [this, when] {
    if (tick_at_ != when) return;  // An earlier one took its place.
    process_.tell([this] {
      tick_at_ = HostTime::never();
      decide_and_act([](Session& session, HostTime at) { session.on_tick(at); });
    });
  });
}

bool SimNode::pass(Moment moment) {
  return pass(moment, ++passed_[static_cast<std::size_t>(moment)]);
}
bool SimNode::pass(Moment moment, std::uint64_t number) {
  if (!process_.dead()) around_.passed(options_.side, moment, number);
  return !process_.dead();
}

// --- from the network

void SimNode::on_message(const Bytes& bytes) {
  if (!pass(Moment::kMessageCame)) return;
  const Result<Message> message = decode_message(bytes);
  if (!message) {
    around_.channel.close(options_.side);
    return on_channel_closed();
  }
  decide_and_act([&](Session& session, HostTime at) { session.on_message(*message, at); });
}

void SimNode::on_channel_closed() {
  decide_and_act([](Session& session, HostTime at) { session.on_channel_closed(at); });
}

void SimNode::on_channel_connected() {
  if (!unsent_hello_) return;
  (void)around_.channel.send(options_.side, *std::exchange(unsent_hello_, std::nullopt));
}

void SimNode::on_heartbeat(const Heartbeat& heartbeat) {
  process_.tell([this, heartbeat] {
    decide_and_act([&](Session& session, HostTime at) { session.on_heartbeat(heartbeat, at); });
  });
}

void SimNode::on_confirmed(std::uint64_t console_offset) {
  if (options_.side != Side::kPrimary) return;
  const JournalSeq mark = receipts_.confirmed(console_offset);
  decide_and_act([&](Session& session, HostTime at) { session.on_confirmed(mark, at); });
}

void SimNode::beat_later(std::uint64_t generation) {
  around_.events.after(beats_->period_ms * kNsPerMs, [this, generation] {
    if (!beats_ || generation != beat_generation_ || process_.dead()) return;
    beat_later(generation);
    if (!process_.running()) return;
    // Waiting for orders is idle time, though here it takes no call as long as it lasts.
    const bool idle = !wedged_ && (idle_ || waiting_);
    const Heartbeat beat{beats_->session, beats_->epoch, ++beat_number_, at_,
                         idle || session_->paused()};
    around_.beat(options_.side, beat);
    if (planted(Plant::kOwnBeats)) on_heartbeat(beat);
  });
}

// --- the vCPU

void SimNode::vcpu_at(HostTime when) {
  if (over_ || when >= vcpu_at_) return;
  vcpu_at_ = when;
  around_.events.at(when, [this, when] {
    if (vcpu_at_ != when) return;
    process_.tell([this] {
      vcpu_at_ = HostTime::never();
      take_turn();
    });
  });
}

void SimNode::take_turn() {
  if (wedged_) return;
  const std::int64_t length_ns = 1 + draw(options_.turn_ns_max);
  const double share = static_cast<double>(length_ns) / kNsPerMs * speed_ * duty_;
  turn_.until =
      at_.plus(1 + static_cast<std::uint64_t>(share * static_cast<double>(options_.ticks_per_ms)));
  turn_.given_back = waiting_ = false;
  if (!run_over_) {
    run_over_ = guest_.run(*world_, turn_);
  }
  if (*guest_.refused() != '\0') around_.oracle.violated(Rule::kReplica, guest_.refused());
  if (run_over_ && process_.running()) settle();
  look_later();
  vcpu_at(around_.events.in(waiting_ ? kVcpuWaitNs : length_ns));
}

/// The machine has ended; its node may not have, yet. As the commands do it.
void SimNode::settle() {
  waiting_ = true;
  if (followed_) {
    const SimGuest::Ended ended = guest_.ended();
    over_ = followed_->finished(ended.at, ended.reason, ended.state);
    return;
  }
  const Orders orders = take_orders();
  over_ = orders.halted || orders.finished;
}

/// A turn is over where it was to end; nothing that a dead one still does counts.
void SimNode::stand_at(Tick tick) {
  at_ = tick;
  if (at_ >= turn_.until) turn_.given_back = true;
}

void SimNode::on_record(const replay::Record& record) {
  if (process_.dead() || !pass(Moment::kRecordMade)) return;
  decide([&](Session& session, HostTime at) { session.on_record(record, at); });
}

void SimNode::on_output(JournalSeq mark, const Output& output) {
  if (process_.dead() || !pass(Moment::kOutputMade)) return;
  release_offset_.emitted(output);
  if (options_.side == Side::kPrimary) {
    receipts_.emitted(mark, output);
    held_.push_back({mark, output});
    if (planted(Plant::kReleaseEarly)) put_out(held_.back());
  }
  decide([&](Session& session, HostTime at) { session.on_output(mark, output, at); });
  (void)pass(Moment::kOutputHeld);
}

void SimNode::on_progress(Tick tick) {
  if (process_.dead() || !pass(Moment::kTick, tick.value)) return;
  stand_at(tick);
  decide([&](Session& session, HostTime at) { session.on_progress(tick, at); });
}

void SimNode::on_executed(Tick tick, JournalSeq consumed) {
  if (process_.dead() || !pass(Moment::kTick, tick.value)) return;
  stand_at(tick);
  decide([&](Session& session, HostTime at) { session.on_executed(tick, consumed, at); });
}

void SimNode::on_drained() {
  if (process_.dead()) return;
  decide([](Session& session, HostTime at) { session.on_drained(at); });
}

void SimNode::on_diverged(const std::string& text) {
  if (process_.dead()) return;
  around_.oracle.violated(Rule::kReplica, "the backup diverged: " + text);
  decide([&](Session& session, HostTime at) { session.on_diverged(text, at); });
}

void SimNode::on_end(EndReason reason) {
  if (process_.dead()) return;
  decide([&](Session& session, HostTime at) { session.on_end(reason, at); });
}

void SimNode::on_leave() {
  if (process_.dead()) return;
  decide([](Session& session, HostTime at) { session.on_leave(at); });
}

Orders SimNode::take_orders() {
  Orders taken = orders_;
  orders_.journal.clear();
  orders_.records.clear();
  orders_.grant.reset();
  return taken;
}

void SimNode::wait_for_orders() {
  waiting_ = turn_.given_back = true;
}

}  // namespace ftvm::ftcore::sim
