#include "ftcore/sim/sim_channel.h"

#include <algorithm>
#include <utility>

#include "emulator/base/mark.h"

namespace ftvm::ftcore::sim {

bool SimChannel::send(Side from, Bytes message) {
  if (!open_) return false;
  Way& way = ways_[other(from)];
  if (way.flights.size() >= options_.queue_messages_max) {
    FTVM_MARK("sim.queue_full");
    return false;
  }
  const auto draw = [this](std::int64_t most) {
    return static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(most) + 1));
  };
  const HostTime leaves = events_.in(draw(options_.leave_ns_max));
  const std::int64_t latency =
      options_.latency_ns_min + draw(options_.latency_ns_max - options_.latency_ns_min);
  way.last = std::max(way.last, HostTime{leaves.ns + latency});
  way.flights.push_back({leaves, way.last, std::move(message)});
  pump_at(other(from), way.flights.front().arrives);
  return true;
}

void SimChannel::close(Side from) {
  if (!open_) return;
  Way& way = ways_[other(from)];
  way.close_behind = true;
  ways_[from].flights.clear();
  pump_at(other(from), std::max(events_.now(), way.last));
}

void SimChannel::reset() {
  if (!std::exchange(open_, false)) return;
  FTVM_MARK("sim.channel_reset");
  for (const Side side : {Side::kPrimary, Side::kBackup}) {
    ways_[side].flights.clear();
    tell_closed(side);
  }
  connect_later();
}

void SimChannel::stall(Side to, HostTime until) {
  ways_[to].stalled_until = std::max(ways_[to].stalled_until, until);
}

void SimChannel::on_death(Side side) {
  Way& way = ways_[other(side)];
  // In the order of their departure, which is that of their sending but for the drawn times: the
  // first that had not left takes all behind it along.
  const auto kept = std::find_if(way.flights.begin(), way.flights.end(),
                                 [this](const Flight& f) { return f.leaves > events_.now(); });
  way.flights.erase(kept, way.flights.end());
  ways_[side].flights.clear();
  // The kernel of a killed process closes its connections; that of a lost host does not.
  if (!ends_[side].process->host_lost()) {
    way.close_behind = true;
    const HostTime last = way.flights.empty() ? events_.now() : way.flights.back().arrives;
    pump_at(other(side), std::max(events_.in(options_.latency_ns_min), last));
  }
}

void SimChannel::pump_at(Side to, HostTime when) {
  Way& way = ways_[to];
  if (way.pumped_at <= when) return;
  way.pumped_at = std::max(when, events_.now());
  events_.at(way.pumped_at, [this, to, due = way.pumped_at] {
    if (ways_[to].pumped_at != due) return;  // An earlier look took its place.
    ways_[to].pumped_at = HostTime::never();
    pump(to);
  });
}

void SimChannel::pump(Side to) {
  Way& way = ways_[to];
  if (!open_) return;
  if (way.stalled_until > events_.now()) return pump_at(to, way.stalled_until);
  while (!way.flights.empty() && way.flights.front().arrives <= events_.now()) {
    Bytes message = std::move(way.flights.front().message);
    way.flights.pop_front();
    arrive(to, std::move(message));
    if (!open_) return;
  }
  if (!way.flights.empty()) {
    pump_at(to, way.flights.front().arrives);
  } else if (way.close_behind) {
    open_ = false;
    tell_closed(to);
    connect_later();
  }
}

void SimChannel::arrive(Side to, Bytes message) {
  if (std::exchange(ways_[to].corrupt, false)) {
    FTVM_MARK("sim.message_corrupted");
    message[random_.below(message.size())] ^= static_cast<std::uint8_t>(1U << random_.below(8));
  }
  ends_[to].process->tell(
      [this, to, message = std::move(message)] { ends_[to].on_message(message); });
}

void SimChannel::tell_closed(Side to) {
  ends_[to].process->tell([this, to] { ends_[to].on_closed(); });
}

void SimChannel::connect_later() {
  const auto most = static_cast<std::uint64_t>(options_.reconnect_ns_max);
  events_.after(static_cast<std::int64_t>(random_.below(most + 1)), [this] { connect(); });
}

void SimChannel::connect() {
  for (const Side side : {Side::kPrimary, Side::kBackup}) {
    if (ends_[side].process->dead()) return;
  }
  FTVM_MARK("sim.channel_again");
  open_ = true;
  for (const Side side : {Side::kPrimary, Side::kBackup}) {
    const HostTime stalled = ways_[side].stalled_until;
    ways_[side] = Way{};
    ways_[side].stalled_until = stalled;
    ends_[side].process->tell([this, side] { ends_[side].on_connected(); });
  }
}

}  // namespace ftvm::ftcore::sim
