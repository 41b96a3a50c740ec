// What a campaign found, for people and for machines: one self-contained HTML page, JUnit XML for
// the CI, JSON for everything else.
//
// Source: JUnit XML as Jenkins and GitLab read it (testsuites, testsuite, testcase, failure).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ftcore/campaign/plan.h"
#include "ftcore/campaign/shard.h"
#include "ftcore/campaign/tally.h"

namespace ftvm::ftcore::campaign {

/// A failure that was looked at closely.
struct Finding {
  Failure failure;
  std::string reproduce;   // Command line.
  std::string plan;        // The shrunk plan; empty when it was not shrunk.
  std::string plan_path;   // Where it is, from the report's folder.
  std::string trace_path;  // What happens in it, from the report's folder.
  std::string story;       // Faults and violations of the shrunk run, a line each.
  std::size_t tries = 0;   // That shrinking took.
};

struct Report {
  Plan plan;
  Shard shard;
  Tally tally;
  std::vector<Finding> findings;
  bool complete = false;        // Every run of the shard was done.
  std::int64_t ms = 0;          // So long it took; of what it went on from nothing.
  std::uint64_t runs_here = 0;  // In that time.
};

/// Marks that nothing has passed.
std::vector<std::string> marks_missed(const Tally& tally);

std::string report_json(const Report& report);
std::string report_junit(const Report& report);
std::string report_html(const Report& report);

}  // namespace ftvm::ftcore::campaign
