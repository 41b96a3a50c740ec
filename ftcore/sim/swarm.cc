#include "ftcore/sim/swarm.h"

#include <algorithm>
#include <array>
#include <memory>

#include "emulator/base/prng.h"
#include "ftcore/sim/toy_guest.h"

namespace ftvm::ftcore::sim {
namespace {

std::int64_t between(Prng& random, std::int64_t least, std::int64_t most) {
  return least +
         static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most - least + 1)));
}

Side side_of(Prng& random) {
  return random.below(2) == 0 ? Side::kPrimary : Side::kBackup;
}

/// Moments that a run of the usual length reaches, with how far.
struct Reach {
  Moment moment;
  std::uint64_t number_max;
};
constexpr std::array<Reach, 11> kReaches{{{Moment::kTick, 150'000},
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

void place(Prng& random, Fault& fault, std::int64_t run_us) {
  if (random.below(3) == 0) {
    fault.after_us = between(random, 0, run_us);
    return;
  }
  const Reach& reach = kReaches[random.below(kReaches.size())];
  fault.moment = reach.moment;
  fault.number = 1 + random.below(reach.number_max);
}

Fault lethal_fault(Prng& random, std::int64_t run_us) {
  constexpr std::array<FaultKind, 3> kKinds{FaultKind::kKill, FaultKind::kLoseHost,
                                            FaultKind::kWedge};
  Fault fault{.kind = kKinds[random.below(8) == 0 ? 2 : random.below(2)], .side = side_of(random)};
  place(random, fault, run_us);
  return fault;
}

Fault other_fault(Prng& random, std::int64_t run_us, std::uint32_t detection_ms) {
  constexpr std::array<FaultKind, 13> kKinds{
      FaultKind::kStop,        FaultKind::kSlow,        FaultKind::kReset,
      FaultKind::kStall,       FaultKind::kPartition,   FaultKind::kCorrupt,
      FaultKind::kBeatsLost,   FaultKind::kBeatsLate,   FaultKind::kBeatsTwice,
      FaultKind::kArbiterAway, FaultKind::kArbiterSlow, FaultKind::kArbiterMute,
      FaultKind::kPause};
  Fault fault{.kind = kKinds[random.below(kKinds.size())], .side = side_of(random)};
  place(random, fault, run_us);
  fault.for_us = between(random, 1, 3'000 * std::int64_t{detection_ms});
  fault.share = 0.05 + 0.01 * static_cast<double>(random.below(90));
  return fault;
}

Fault planned_end(Prng& random, std::int64_t run_us) {
  constexpr std::array<EndReason, 3> kReasons{EndReason::kStopped, EndReason::kHandOver,
                                              EndReason::kDiskFull};
  Fault fault{.kind = FaultKind::kEnd, .side = Side::kPrimary};
  place(random, fault, run_us);
  fault.reason = kReasons[random.below(kReasons.size())];
  return fault;
}

SimNode::Options drawn_node(Prng& random) {
  SimNode::Options node;
  node.clock = {.offset_ns = between(random, 0, 1'000'000 * kNsPerMs),
                .rate_ppm = between(random, -200, 200)};
  node.turn_ns_max = between(random, 50, 1'000) * kNsPerUs;
  node.wake_ns_max = between(random, 1, 300) * kNsPerUs;
  node.outside.slice_ticks_max = 1 + random.below(2'000);
  return node;
}

}  // namespace

Cluster::Options drawn_pair(std::uint64_t seed) {
  Prng random = Prng(seed).fork("swarm");
  Cluster::Options options{.seed = seed};
  options.detection_ms = static_cast<std::uint32_t>(between(random, 20, 100));
  options.heartbeat_ms = std::max<std::uint32_t>(1, options.detection_ms / 8);
  options.run_us = 1'000 * between(random, 50, 150);
  options.channel.latency_ns_max = between(random, 50, 3'000) * kNsPerUs;
  options.channel.leave_ns_max = between(random, 0, 500) * kNsPerUs;
  options.receiver.leave_ns_max = between(random, 0, 2'000) * kNsPerUs;
  options.receiver.latency_ns = between(random, 10, 5'000) * kNsPerUs;
  options.arbiter.answer_ns_max = between(random, 1, 20) * kNsPerMs;
  options.nodes[Side::kPrimary] = drawn_node(random);
  options.nodes[Side::kBackup] = drawn_node(random);
  options.nodes[Side::kPrimary].ticks_per_ms =
      static_cast<std::uint64_t>(between(random, 200, 2'000));
  options.nodes[Side::kBackup].ticks_per_ms =
      options.nodes[Side::kPrimary].ticks_per_ms * (5 + random.below(40)) / 10;
  if (random.below(8) != 0) options.plan.push_back(lethal_fault(random, options.run_us));
  const std::uint64_t others = random.below(4);
  for (std::uint64_t i = 0; i < others; ++i) {
    options.plan.push_back(other_fault(random, options.run_us, options.detection_ms));
  }
  if (random.below(16) == 0) options.plan.push_back(planned_end(random, options.run_us));
  return options;
}

Cluster::Outcome run_toy(const Cluster::Options& options) {
  const auto make_guest = [&](Side side) {
    ToyGuest::Options guest{.seed = options.seed};
    const bool wrong = options.plant == Plant::kWrongReplica && side == Side::kBackup;
    if (wrong) guest.wrong_from = Tick{20'000};
    return std::make_unique<ToyGuest>(guest);
  };
  return Cluster(options, make_guest).run();
}

std::string story(const Cluster::Options& options, const Cluster::Outcome& outcome) {
  std::string text = "seed " + std::to_string(options.seed) + "\n";
  for (const Fault& fault : options.plan) text += "  " + fault.text() + "\n";
  for (const Violation& each : outcome.violations) {
    text += "  " + std::string(rule_name(each.rule)) + ": " + each.what + "\n";
  }
  return text;
}

}  // namespace ftvm::ftcore::sim
