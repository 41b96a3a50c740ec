// What tests of campaigns share.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "ftcore/campaign/plan_codec.h"
#include "ftcore/campaign/tally.h"

namespace ftvm::ftcore::campaign::test {

inline Plan plan_of(const std::string& text) {
  Result<Plan> plan = parse_plan(text, "test.toml");
  EXPECT_TRUE(plan.has_value()) << (plan ? "" : plan.error().message());
  return plan ? *plan : Plan{};
}

inline Guests guests_of(const std::vector<std::string>& names) {
  Result<Guests> guests = Guests::load(names);
  EXPECT_TRUE(guests.has_value()) << (guests ? "" : guests.error().message());
  return guests ? std::move(*guests) : Guests{};
}

/// Faults of a run and how it failed, a line each: what to look at when a test finds a failure.
inline std::string story(const PairRun& run, const Verdict& verdict) {
  std::string text = "seed " + std::to_string(verdict.seed) + "\n";
  for (const sim::Fault& fault : run.options.plan) text += "  " + fault.text() + "\n";
  if (verdict.failure) text += "  " + verdict.failure->rule + ": " + verdict.failure->what + "\n";
  return text;
}

}  // namespace ftvm::ftcore::campaign::test
