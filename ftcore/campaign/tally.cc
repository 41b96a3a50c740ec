#include "ftcore/campaign/tally.h"

#include "emulator/base/bytes.h"

namespace ftvm::ftcore::campaign {

void Tally::chain(const Digest& next) {
  Bytes both;
  ByteWriter writer(both);
  for (const Digest& each : {digest, next}) {
    for (const std::uint64_t word : each.words) writer.put(word);
  }
  digest = digest_of(both);
}

void Tally::add(const Verdict& verdict) {
  ++runs;
  failovers += verdict.failed_over ? 1 : 0;
  machines_lost += verdict.machine_lost ? 1 : 0;
  twice += verdict.twice ? 1 : 0;
  events += verdict.events;
  skipped += verdict.skipped ? 1 : 0;
  if (!verdict.name.empty()) ++cases[verdict.name];
  for (const sim::FaultKind kind : verdict.met) ++met[static_cast<std::size_t>(kind)];
  if (verdict.failed_over) ++silences[verdict.silence_us / 1'000 / kSilenceStepMs];
  if (verdict.failure) failures.push_back(*verdict.failure);
  chain(verdict.digest);
}

void Tally::add(const Tally& other) {
  runs += other.runs;
  failovers += other.failovers;
  machines_lost += other.machines_lost;
  twice += other.twice;
  events += other.events;
  for (std::size_t i = 0; i < met.size(); ++i) met[i] += other.met[i];
  for (const auto& [step, count] : other.silences) silences[step] += count;
  for (const auto& [mark, count] : other.marks) marks[mark] += count;
  for (const auto& [name, count] : other.cases) cases[name] += count;
  skipped += other.skipped;
  failures.insert(failures.end(), other.failures.begin(), other.failures.end());
  chain(other.digest);
}

std::int64_t Tally::silence_ms(std::uint64_t percent) const {
  std::uint64_t seen = 0;
  for (const auto& [step, count] : silences) {
    seen += count;
    if (seen * 100 >= failovers * percent) return (step + 1) * kSilenceStepMs;
  }
  return 0;
}

}  // namespace ftvm::ftcore::campaign
