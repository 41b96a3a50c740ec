// A campaign from its plan to its report, in a folder of its own:
//
//   plan.toml          what was done, as it reproduces every run
//   blocks             what is done so far; --resume goes on from it
//   seed-N.toml        a failure, shrunk
//   seed-N.jsonl       what happens in it
//   report.html  report.json  junit.xml
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "emulator/base/result.h"
#include "ftcore/campaign/report.h"
#include "ftcore/campaign/runner.h"

namespace ftvm::ftcore::campaign {

struct CampaignOptions {
  Plan plan;
  std::string folder;
  Runner::Options runner;
  bool resume = false;  // If there is something to go on from.
  bool overwrite = false;
  /// Folders of this campaign's shards: what they did is not done again. For a campaign that begins
  /// and is no shard itself.
  std::vector<std::string> merge;
  /// So many failures are shrunk, one for each rule that was broken first.
  std::size_t shrunk_max = 5;
  std::function<void(const Runner::Progress&)> look;
  std::function<bool()> stop;
};

/// Errors: kUsage for a folder that is taken, or a block that two of `merge` have; kMismatch for
/// another campaign's; kNoSpace, kIo. What was done until then is in the folder.
Result<Report> run_campaign(const CampaignOptions& options, const Guests& guests);

/// How a run ends, in a process of its own. With `trace` every moment of it goes to that file, as
/// lines of JSON. Errors: kIo.
Result<Tally> run_alone(const PairRun& run, const Guests& guests, const std::string& trace = "");

}  // namespace ftvm::ftcore::campaign
