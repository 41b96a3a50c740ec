#include "ftcore/campaign/verdict.h"

#include "emulator/base/prng.h"

namespace ftvm::ftcore::campaign {

Verdict execute(const PairRun& run, const Guests& guests) {
  const sim::Cluster::Options& options = run.options;
  const auto make_guest = [&](sim::Side side) {
    const bool planted = side == sim::Side::kBackup;
    return guests.make(run.guest, options.seed, planted ? options.plant : sim::Plant::kNone);
  };
  const sim::Cluster::Outcome outcome = sim::Cluster(options, make_guest).run();
  Verdict verdict{.seed = options.seed,
                  .digest = outcome.digest,
                  .failed_over = outcome.failed_over,
                  .machine_lost = outcome.machine_lost,
                  .silence_us = outcome.silence_ns / sim::kNsPerUs,
                  .events = outcome.events};
  for (std::size_t i = 0; i < options.plan.size(); ++i) {
    if (outcome.met[i]) verdict.met.push_back(options.plan[i].kind);
  }
  if (!outcome.violations.empty()) {
    const sim::Violation& first = outcome.violations.front();
    verdict.failure = Failure{options.seed, std::string(sim::rule_name(first.rule)), first.what};
  }
  return verdict;
}

Verdict execute_seed(const Plan& plan, std::uint64_t seed, const Guests& guests) {
  const PairRun run = draw_run(plan, seed);
  Verdict verdict = execute(run, guests);
  verdict.twice = Prng(seed).fork("twice").chance(plan.twice_percent, 100);
  if (!verdict.twice || verdict.failure) return verdict;
  const Verdict again = execute(run, guests);
  if (again.digest == verdict.digest) return verdict;
  verdict.failure = Failure{seed, std::string(kDeterminismRule),
                            "digest " + verdict.digest.hex() + ", then " + again.digest.hex()};
  return verdict;
}

}  // namespace ftvm::ftcore::campaign
