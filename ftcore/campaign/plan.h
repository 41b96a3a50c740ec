// What a campaign does: which guests, how many runs, what a pair may be like, and what goes wrong.
// Whatever may differ from run to run is a range; a run draws from all of them by its seed. A plan
// in which every range is one value is a single run, written down.
//
// docs/formats/plan.md is the file of it, plan_codec.h reads and writes that.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "emulator/world.h"
#include "ftcore/sim/fault.h"
#include "ftcore/sim/moment.h"
#include "ftcore/sim/plant.h"
#include "ftcore/sim/side.h"

namespace ftvm::ftcore::campaign {

/// From `least` to `most`, both of them included.
struct Range {
  std::int64_t least = 0;
  std::int64_t most = 0;
  bool operator==(const Range&) const = default;
};
constexpr Range only(std::int64_t value) {
  return {value, value};
}

/// A process of the pair and its host.
struct NodeSpec {
  Range clock_offset_ms{0, 1'000'000};  // Its host's clock began so long before the run.
  Range clock_rate_ppm{-200, 200};      // And is too fast by so much.
  Range ticks_per_ms{200, 2'000};       // Speed of its vCPU.
  Range turn_us_max{50, 1'000};         // Longest turn of its vCPU.
  Range wake_us_max{1, 300};            // Longest time until its node thread runs.
  Range slice_ticks_max{1, 2'000};      // Longest slice between two looks of the vCPU.
  bool operator==(const NodeSpec&) const = default;
};

struct PairSpec {
  Range detection_ms{20, 100};
  std::optional<Range> heartbeat_ms;  // Else an eighth of the detection time.
  Range run_ms{50, 150};              // So long until the pair is asked to end.
  Range message_leave_us_max{0, 500};
  Range message_latency_us_max{50, 3'000};
  Range message_queue_max{8, 200};  // On their way to one side.
  Range reconnect_ms_max{1, 200};
  Range output_leave_us_max{0, 2'000};
  Range output_latency_us{10, 5'000};
  Range arbiter_answer_ms_max{1, 20};
  Range held_bytes_max{8, 1'000};  // Outputs that a primary holds before it pauses.
  /// Speed of the backup's vCPU in relation to the primary's; else it has one of its own.
  std::optional<Range> backup_speed_percent = Range{50, 440};
  NodeSpec primary;
  NodeSpec backup;
  bool operator==(const PairSpec&) const = default;
};

/// Where a fault strikes.
struct PlaceSpec {
  /// The first time its node passes this moment with at least this number. Without one: so many
  /// microseconds from the beginning.
  std::optional<sim::Moment> moment;
  Range where;
  bool operator==(const PlaceSpec&) const = default;
};

/// A group of faults. Where a field lists several, each fault draws one; what stands there twice
/// is drawn twice as often.
struct FaultSpec {
  std::vector<sim::FaultKind> kinds{sim::FaultKind::kKill};
  std::vector<sim::Side> sides{sim::Side::kPrimary, sim::Side::kBackup};
  std::vector<PlaceSpec> places;  // Empty: anywhere in the run.
  Range chance_percent = only(100);
  Range count = only(1);
  std::optional<Range> for_us;  // How long; else up to three detection times.
  Range share_percent{5, 94};   // Of its speed, for a vCPU that is slowed down.
  std::vector<EndReason> reasons{EndReason::kStopped, EndReason::kHandOver, EndReason::kDiskFull};
  bool operator==(const FaultSpec&) const = default;
};

/// One node is lost at most, in most runs; up to three faults that end by themselves; now and then
/// the machine ends as planned. All of it within what the protocol claims to survive.
[[nodiscard]] std::vector<FaultSpec> standard_faults();

/// A program that does a run with real processes, and judges it from outside.
struct ProgramSpec {
  /// Program and arguments. In each, {seed}, {case}, {folder} (the run's own), {shared} (the
  /// campaign's) and {ftvm} (this program) are replaced; {here} is the plan's folder.
  std::vector<std::string> command;
  std::vector<std::string> cases{"run"};  // What {case} may be; a run draws one.
  std::int64_t seconds_max = 600;         // Then it is killed, and the run has failed.
  bool operator==(const ProgramSpec&) const = default;
};

struct Plan {
  std::string name = "standard";
  /// "toy", or the path of a flat image for the real machine. A run draws one.
  std::vector<std::string> guests{"toy"};
  std::uint64_t seed = 1;  // Of the first run; the others follow.
  std::uint64_t runs = 1'000;
  std::uint32_t twice_percent = 1;  // Of the runs: done again, to the same digest.
  PairSpec pair;
  std::vector<FaultSpec> faults = standard_faults();
  sim::Plant plant = sim::Plant::kNone;
  std::optional<ProgramSpec> program;  // For `--rig`.
  bool operator==(const Plan&) const = default;
};

}  // namespace ftvm::ftcore::campaign
