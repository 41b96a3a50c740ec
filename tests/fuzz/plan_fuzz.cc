// Plans and states of campaigns from hostile bytes: never a crash, and what is taken comes back.
// The first byte of the input says which of them it is.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ftcore/campaign/draw.h"
#include "ftcore/campaign/plan_codec.h"
#include "ftcore/campaign/state_file.h"
#include "ftcore/campaign/tally_codec.h"

namespace {

using namespace ftvm;
using namespace ftvm::ftcore::campaign;

void must(bool holds) {
  if (!holds) std::abort();
}

void read_plan(std::string_view text) {
  const Result<Plan> plan = parse_plan(text, "fuzz.toml");
  if (!plan) {
    must(plan.error().code() == ErrorCode::kUsage);
    return;
  }
  const Result<Plan> again = parse_plan(plan_text(*plan), "again.toml");
  must(again.has_value() && *again == *plan);
  // Whatever is taken can be drawn, and what was drawn is a plan.
  constexpr std::size_t kFaultsMax = 100;
  std::int64_t faults = 0;
  for (const FaultSpec& spec : plan->faults) faults += spec.count.most;
  if (faults > static_cast<std::int64_t>(kFaultsMax)) return;
  const Plan exact = exact_plan(draw_run(*plan, plan->seed));
  const Result<Plan> written = parse_plan(plan_text(exact), "exact.toml");
  must(written.has_value() && *written == exact);
}

void read_tally(std::string_view text) {
  const Result<Tally> tally = parse_tally(text);
  if (!tally) return;
  const std::string written = tally_json(*tally);
  const Result<Tally> again = parse_tally(written);
  must(again.has_value() && tally_json(*again) == written);
}

void read_state(std::string_view text) {
  const std::string heading = "heading";
  const std::string whole = heading + "\n" + std::string(text);
  const Result<State> state = parse_state(whole, heading);
  must(!state || state->whole_bytes <= whole.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 3) {
    case 0:
      read_plan(text);
      break;
    case 1:
      read_tally(text);
      break;
    default:
      read_state(text);
  }
  return 0;
}
