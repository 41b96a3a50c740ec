// How a simulated node carries out what its session decides.
#include <algorithm>
#include <utility>

#include "emulator/base/assert.h"
#include "ftcore/sim/sim_node.h"
#include "ftcore/transport/wire_codec.h"

namespace ftvm::ftcore::sim {

/// A process that is stopped or dies in the middle goes on there, or never. What happens to it in
/// the middle of an action is decided at once and carried out behind it.
void SimNode::carry_out() {
  if (std::exchange(carrying_out_, true)) return;
  while (!actions_.empty() && process_.running()) {
    const Action action = std::move(actions_.front());
    actions_.pop_front();
    std::visit([this](const auto& one) { act(one); }, action);
  }
  carrying_out_ = false;
}

void SimNode::act(const Send& send) {
  if (!pass(Moment::kMessageToSend)) return;
  Message message = send.message;
  if (auto* ack = std::get_if<Ack>(&message.body); ack != nullptr && planted(Plant::kAckUnseen)) {
    ack->accepted = std::max(ack->accepted, around_.peer_sent());
  }
  Bytes bytes = encode_message(message);
  if (around_.channel.send(options_.side, bytes)) return;
  if (std::holds_alternative<Hello>(message.body)) {
    unsent_hello_ = std::move(bytes);
  } else if (send.to == Send::To::kPeer) {
    decide([](Session& session, HostTime at) { session.on_channel_closed(at); });
  }
}

void SimNode::act(const CloseChannel&) {
  around_.channel.close(options_.side);
}

void SimNode::act(const StartHeartbeats& start) {
  beats_ = start;
  beat_later(++beat_generation_);
}

void SimNode::act(const StopHeartbeats&) {
  beats_.reset();
}

void SimNode::act(const OpenSlot& open) {
  if (!pass(Moment::kArbiterAsked)) return;
  around_.arbiter.open(open.epoch, options_.incarnation, [this, open](SlotAnswer answer) {
    process_.tell([this, open, answer] {
      if (!pass(Moment::kArbiterSaid)) return;
      decide([&](Session& session, HostTime at) { session.on_slot(open.epoch, answer, at); });
      carry_out();
    });
  });
}

void SimNode::act(const Arbitrate& arbitrate) {
  if (!pass(Moment::kArbiterAsked)) return;
  around_.arbiter.test_and_set(
      arbitrate.epoch, arbitrate.incarnation, [this, arbitrate](ArbiterAnswer answer) {
        process_.tell([this, arbitrate, answer] {
          if (!pass(Moment::kArbiterSaid)) return;
          const bool wins = planted(Plant::kUnknownWins) && answer == ArbiterAnswer::kUnknown;
          const ArbiterAnswer heard = wins ? ArbiterAnswer::kWon : answer;
          decide([&](Session& session, HostTime at) {
            session.on_arbiter(arbitrate.epoch, heard, at);
          });
          carry_out();
        });
      });
}

/// Orders for the vCPU, which looks up when it waits.
Orders& SimNode::news() {
  if (waiting_) vcpu_at(around_.events.in(draw(options_.wake_ns_max)));
  return orders_;
}

void SimNode::act(const Journal& journal) {
  news().journal.push_back(journal.body);
}
void SimNode::act(const SetBootTime& time) {
  news().boot_unix_s = time.boot_unix_s;
}
void SimNode::act(const Deliver& deliver) {
  std::vector<replay::Record> given = deliver.records;
  for (replay::Record& record : given) falsify(record);
  auto& records = planted(Plant::kSkipDrain) ? held_back_ : news().records;
  records.insert(records.end(), given.begin(), given.end());
  if (planted(Plant::kSkipDrain) && held_back_.size() > kHeldBack) {
    const auto older = held_back_.end() - static_cast<std::ptrdiff_t>(kHeldBack);
    news().records.insert(news().records.end(), held_back_.begin(), older);
    held_back_.erase(held_back_.begin(), older);
  }
}
/// As a planted bug would.
void SimNode::falsify(replay::Record& record) const {
  auto* sync = std::get_if<ClockSync>(&record.body);
  if (planted(Plant::kWrongSync) && sync != nullptr) sync->base = sync->base.plus_ns(1);
  const bool typed = std::holds_alternative<ConsoleBytes>(record.body);
  if (planted(Plant::kInputLate) && typed) ++record.at.value;
}
void SimNode::act(const Grant& grant) {
  if (planted(Plant::kSkipDrain)) return;
  news().grant = grant.tick;
}
void SimNode::act(const Drain&) {
  news().draining = true;
}
void SimNode::act(const SetPaused& paused) {
  news().paused = paused.paused;
}
/// Its turns get shorter. As an order it would put this thread to sleep.
void SimNode::act(const SetDuty& duty) {
  duty_ = duty.duty;
}

void SimNode::act(const GoLive& live) {
  around_.oracle.went_live(options_.side, live.epoch);
  if (!pass(Moment::kLive)) return;
  news().live = live.epoch;
}

void SimNode::act(const Halt& halt) {
  around_.oracle.gone(options_.side, true);
  if (planted(Plant::kHaltedSpeaks)) {
    for (const Held& held : std::exchange(held_, {})) put_out(held);
  }
  news().halted = halt.reason;
}

void SimNode::act(const Finish& finish) {
  around_.oracle.gone(options_.side, true);
  news().finished = Orders::Finished{finish.reason, finish.note};
}

void SimNode::act(const Release& release) {
  if (!std::exchange(releases_, true)) {
    released_ = release_offset_.first();
    if (options_.side == Side::kBackup && planted(Plant::kForgetReissue)) {
      for (const Output& output : release.outputs) released_ += output.bytes.size();
      return;
    }
  }
  if (planted(Plant::kReleaseEarly)) return;
  for (const Output& output : release.outputs) {
    if (!pass(Moment::kMayLeave)) return;
    Held held{{}, output};
    if (options_.side == Side::kPrimary) {
      FTVM_ASSERT(!held_.empty());
      held.mark = held_.front().mark;
      held_.pop_front();
    }
    put_out(held);
    if (!pass(Moment::kLeft)) return;
  }
}

void SimNode::put_out(const Held& held) {
  const Bytes& bytes = held.output.bytes;
  const std::uint64_t offset = std::exchange(released_, released_ + bytes.size());
  const Epoch in = planted(Plant::kEpochStays) ? Epoch{1} : epoch();
  const bool covered = options_.side == Side::kBackup || around_.peer_has(held.mark);
  around_.oracle.released(options_.side, in, offset, bytes, covered);
  around_.receiver.released(options_.side, in, offset, bytes);
  if (planted(Plant::kConfirmUnseen)) {
    around_.events.after(
        0, [this, has = released_] { process_.tell([this, has] { on_confirmed(has); }); });
  }
}

}  // namespace ftvm::ftcore::sim
