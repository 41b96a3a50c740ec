#include "ftcore/campaign/draw.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "emulator/base/prng.h"

namespace ftvm::ftcore::campaign {
namespace {

using sim::Fault;
using sim::Moment;
using sim::Side;

std::int64_t draw(Prng& random, Range range) {
  const auto values = static_cast<std::uint64_t>(range.most - range.least) + 1;
  return range.least + static_cast<std::int64_t>(random.below(values));
}
template <class T>
const T& draw(Prng& random, const std::vector<T>& list) {
  return list[random.below(list.size())];
}

/// How far the moments of a run of the usual length go.
struct Reach {
  Moment moment;
  std::int64_t number_max;
};
constexpr std::array<Reach, sim::kMomentNames.size()> kReaches{{{Moment::kTick, 150'000},
                                                                {Moment::kRecordMade, 200},
                                                                {Moment::kOutputMade, 100},
                                                                {Moment::kOutputHeld, 100},
                                                                {Moment::kMayLeave, 100},
                                                                {Moment::kLeft, 100},
                                                                {Moment::kMessageToSend, 150},
                                                                {Moment::kMessageCame, 150},
                                                                {Moment::kArbiterAsked, 2},
                                                                {Moment::kArbiterSaid, 2},
                                                                {Moment::kLive, 1}}};

/// A third of them at a time, the others at any moment.
PlaceSpec anywhere(Prng& random, std::int64_t run_us) {
  if (random.below(3) == 0) return {.where = {0, run_us}};
  const Reach& reach = kReaches[random.below(kReaches.size())];
  return {.moment = reach.moment, .where = {1, reach.number_max}};
}

Fault draw_fault(Prng& random, const FaultSpec& spec, const sim::Cluster::Options& pair) {
  Fault fault{.kind = draw(random, spec.kinds), .side = draw(random, spec.sides)};
  const PlaceSpec place =
      spec.places.empty() ? anywhere(random, pair.run_us) : draw(random, spec.places);
  fault.moment = place.moment;
  if (place.moment) {
    fault.number = static_cast<std::uint64_t>(draw(random, place.where));
  } else {
    fault.after_us = draw(random, place.where);
  }
  const std::int64_t for_us =
      draw(random, spec.for_us.value_or(Range{1, 3'000 * std::int64_t{pair.detection_ms}}));
  const std::int64_t share = draw(random, spec.share_percent);
  const EndReason reason = draw(random, spec.reasons);
  // What does not concern its kind stays as it is, so that equal faults are equal.
  if (sim::lasts(fault.kind)) fault.for_us = for_us;
  if (fault.kind == sim::FaultKind::kSlow) fault.share = static_cast<double>(share) / 100;
  if (fault.kind == sim::FaultKind::kEnd) fault.reason = reason;
  return fault;
}

sim::SimNode::Options draw_node(Prng& random, const NodeSpec& spec) {
  sim::SimNode::Options node;
  node.clock = {.offset_ns = draw(random, spec.clock_offset_ms) * kNsPerMs,
                .rate_ppm = draw(random, spec.clock_rate_ppm)};
  node.ticks_per_ms = static_cast<std::uint64_t>(draw(random, spec.ticks_per_ms));
  node.turn_ns_max = draw(random, spec.turn_us_max) * sim::kNsPerUs;
  node.wake_ns_max = draw(random, spec.wake_us_max) * sim::kNsPerUs;
  node.outside.slice_ticks_max = static_cast<std::uint64_t>(draw(random, spec.slice_ticks_max));
  return node;
}

sim::Cluster::Options draw_pair(Prng& random, const PairSpec& spec) {
  sim::Cluster::Options pair;
  pair.detection_ms = static_cast<std::uint32_t>(draw(random, spec.detection_ms));
  const Range eighth = only(std::max<std::int64_t>(1, pair.detection_ms / 8));
  pair.heartbeat_ms = static_cast<std::uint32_t>(draw(random, spec.heartbeat_ms.value_or(eighth)));
  pair.run_us = 1'000 * draw(random, spec.run_ms);
  pair.channel.leave_ns_max = draw(random, spec.message_leave_us_max) * sim::kNsPerUs;
  pair.channel.latency_ns_max = draw(random, spec.message_latency_us_max) * sim::kNsPerUs;
  pair.channel.queue_messages_max = static_cast<std::size_t>(draw(random, spec.message_queue_max));
  pair.channel.reconnect_ns_max = draw(random, spec.reconnect_ms_max) * kNsPerMs;
  pair.receiver.leave_ns_max = draw(random, spec.output_leave_us_max) * sim::kNsPerUs;
  pair.receiver.latency_ns = draw(random, spec.output_latency_us) * sim::kNsPerUs;
  pair.arbiter.answer_ns_max = draw(random, spec.arbiter_answer_ms_max) * kNsPerMs;
  pair.held_bytes_max = static_cast<std::uint64_t>(draw(random, spec.held_bytes_max));
  sim::SimNode::Options& primary = pair.nodes[Side::kPrimary] = draw_node(random, spec.primary);
  sim::SimNode::Options& backup = pair.nodes[Side::kBackup] = draw_node(random, spec.backup);
  if (spec.backup_speed_percent) {
    const auto percent = static_cast<std::uint64_t>(draw(random, *spec.backup_speed_percent));
    backup.ticks_per_ms = std::max<std::uint64_t>(1, primary.ticks_per_ms * percent / 100);
  }
  return pair;
}

template <class Number>
Range exactly(Number value) {
  return only(static_cast<std::int64_t>(value));
}

FaultSpec exact_fault(const Fault& fault) {
  const Range where = only(fault.moment ? static_cast<std::int64_t>(fault.number) : fault.after_us);
  return {.kinds = {fault.kind},
          .sides = {fault.side},
          .places = {{.moment = fault.moment, .where = where}},
          .for_us = only(std::max<std::int64_t>(1, fault.for_us)),
          .share_percent = only(std::llround(fault.share * 100)),
          .reasons = {fault.reason}};
}

NodeSpec exact_node(const sim::SimNode::Options& node) {
  return {.clock_offset_ms = only(node.clock.offset_ns / kNsPerMs),
          .clock_rate_ppm = only(node.clock.rate_ppm),
          .ticks_per_ms = exactly(node.ticks_per_ms),
          .turn_us_max = only(node.turn_ns_max / sim::kNsPerUs),
          .wake_us_max = only(node.wake_ns_max / sim::kNsPerUs),
          .slice_ticks_max = exactly(node.outside.slice_ticks_max)};
}

}  // namespace

PairRun draw_run(const Plan& plan, std::uint64_t seed) {
  Prng random = Prng(seed).fork("campaign");
  PairRun run{.guest = draw(random, plan.guests), .options = draw_pair(random, plan.pair)};
  run.options.seed = seed;
  run.options.plant = plan.plant;
  for (const FaultSpec& spec : plan.faults) {
    const bool happens = draw(random, Range{1, 100}) <= draw(random, spec.chance_percent);
    for (std::int64_t i = happens ? draw(random, spec.count) : 0; i > 0; --i) {
      run.options.plan.push_back(draw_fault(random, spec, run.options));
    }
  }
  return run;
}

const std::string& draw_case(const Plan& plan, std::uint64_t seed) {
  Prng random = Prng(seed).fork("case");
  return draw(random, plan.program->cases);
}

Plan exact_plan(const PairRun& run) {
  const sim::Cluster::Options& pair = run.options;
  Plan plan{.guests = {run.guest}, .seed = pair.seed, .runs = 1, .plant = pair.plant};
  plan.name = "seed-" + std::to_string(pair.seed);
  plan.pair = {.detection_ms = only(pair.detection_ms),
               .heartbeat_ms = only(pair.heartbeat_ms),
               .run_ms = only(pair.run_us / 1'000),
               .message_leave_us_max = only(pair.channel.leave_ns_max / sim::kNsPerUs),
               .message_latency_us_max = only(pair.channel.latency_ns_max / sim::kNsPerUs),
               .message_queue_max = exactly(pair.channel.queue_messages_max),
               .reconnect_ms_max = only(pair.channel.reconnect_ns_max / kNsPerMs),
               .output_leave_us_max = only(pair.receiver.leave_ns_max / sim::kNsPerUs),
               .output_latency_us = only(pair.receiver.latency_ns / sim::kNsPerUs),
               .arbiter_answer_ms_max = only(pair.arbiter.answer_ns_max / kNsPerMs),
               .held_bytes_max = exactly(pair.held_bytes_max),
               .backup_speed_percent = std::nullopt,
               .primary = exact_node(pair.nodes[Side::kPrimary]),
               .backup = exact_node(pair.nodes[Side::kBackup])};
  plan.faults.clear();
  for (const Fault& fault : pair.plan) plan.faults.push_back(exact_fault(fault));
  return plan;
}

}  // namespace ftvm::ftcore::campaign
