// The guests of the corpus, what they are given, and what all ways of running one must agree on.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "emulator/world.h"
#include "tests/guest/guest_machine.h"
#include "tests/guest/ways_world.h"

namespace ftvm::test {

inline constexpr std::uint32_t kPassed = 1;  // Exit code of debug exit value 0.

struct Guest {
  std::string name;
  /// So that a run has some ten lines to be restored on.
  std::uint64_t grid_ticks = 2048;
  EndReason reason = EndReason::kDebugExit;
  std::uint32_t exit_code = kPassed;
  /// A guest that does not end by itself is stopped here.
  Tick stop = Tick{400'000'000};
  std::vector<ScriptedInput> inputs{};
};

inline std::vector<Guest> guests() {
  const std::vector<ScriptedInput> lines{{Tick{50'000}, "hello\n"},
                                         {Tick{1'200'001}, "a line that is longer than a FIFO\n"},
                                         {Tick{1'200'002}, "and one right behind it\n"},
                                         {Tick{3'000'000}, "x\n"},
                                         {Tick{4'000'000}, "q\n"}};
  return {
      {.name = "aging", .grid_ticks = 32768},
      {.name = "console", .grid_ticks = 65536, .inputs = lines},
      {.name = "counts"},
      {.name = "deadlock", .reason = EndReason::kDeadlock, .exit_code = 0},
      {.name = "debug", .grid_ticks = 512},
      {.name = "devices", .grid_ticks = 4096},
      {.name = "exceptions"},
      {.name = "extents"},
      {.name = "floating"},
      {.name = "locked", .grid_ticks = 512},
      {.name = "nested"},
      {.name = "openbus"},
      {.name = "overflow", .grid_ticks = 512},
      {.name = "paging"},
      {.name = "repeats", .grid_ticks = 32768},
      {.name = "shadows", .grid_ticks = 32768},
      {.name = "smc"},
      {.name = "smc_first", .grid_ticks = 512},
      {.name = "smc_split", .grid_ticks = 512},
      {.name = "split"},
      {.name = "storm", .reason = EndReason::kStopped, .exit_code = 0, .stop = Tick{100'000}},
      {.name = "user"},
      {.name = "wakes", .grid_ticks = 4'000'000},
  };
}

/// All that two ways of running a guest have in common.
struct Outcome {
  EndReason reason = EndReason::kStopped;
  std::uint32_t exit_code = 0;
  Tick at;
  std::uint64_t retired = 0;
  Digest state;
  std::vector<Output> transcript;
  bool operator==(const Outcome&) const = default;
};
inline std::ostream& operator<<(std::ostream& out, const Outcome& o) {
  out << end_reason_name(o.reason) << " exit " << o.exit_code << " at tick " << o.at.value
      << ", retired " << o.retired << ", state " << o.state.hex() << ", outputs at";
  for (const Output& output : o.transcript) {
    out << " " << output.at.value << ":" << std::string(output.bytes.begin(), output.bytes.end());
  }
  return out;
}
inline Outcome outcome(GuestMachine& machine, const RunResult& result,
                       std::vector<Output> transcript) {
  return {result.reason,           result.exit_code, result.at,
          machine.cpu().retired(), result.state,     std::move(transcript)};
}

}  // namespace ftvm::test
