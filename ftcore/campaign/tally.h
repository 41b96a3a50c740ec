// What became of many runs.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "emulator/base/digest.h"
#include "ftcore/campaign/verdict.h"
#include "ftcore/sim/fault.h"

namespace ftvm::ftcore::campaign {

/// The same whatever was done in parallel, as long as it is added up in order.
struct Tally {
  /// Units: ms of silence, for the runs that failed over.
  static constexpr std::int64_t kSilenceStepMs = 10;

  std::uint64_t runs = 0;
  std::uint64_t failovers = 0;
  std::uint64_t machines_lost = 0;
  std::uint64_t twice = 0;
  std::uint64_t events = 0;
  std::array<std::uint64_t, sim::kFaultNames.size()> met{};  // By kind.
  std::map<std::int64_t, std::uint64_t> silences;            // By silence / kSilenceStepMs.
  std::map<std::string, std::uint64_t> marks;
  std::map<std::string, std::uint64_t> cases;  // Runs, for those of a program.
  std::uint64_t skipped = 0;
  std::vector<Failure> failures;
  Digest digest;  // Of all digests, in order.

  void add(const Verdict& verdict);
  void add(const Tally& other);
  /// Upper end of the step in which this share of the silences ends. Units: ms; 0 for none.
  [[nodiscard]] std::int64_t silence_ms(std::uint64_t percent) const;

 private:
  void chain(const Digest& next);
};

}  // namespace ftvm::ftcore::campaign
