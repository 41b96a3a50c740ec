#include "ftcore/campaign/campaign.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>
#include <utility>

#include "emulator/base/file.h"
#include "ftcore/campaign/plan_codec.h"
#include "ftcore/campaign/shrink.h"
#include "ftcore/campaign/state_file.h"
#include "ftcore/campaign/trace.h"

namespace ftvm::ftcore::campaign {
namespace {

constexpr mode_t kFileMode = 0644;
constexpr const char* kBlocks = "/blocks";

Status write_text(const std::string& path, const std::string& text) {
  return write_file_atomic(path, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()},
                           kFileMode);
}

/// What the folders of options.merge have done.
Result<std::map<std::uint64_t, Tally>> read_parts(const CampaignOptions& options) {
  std::map<std::uint64_t, Tally> all;
  for (const std::string& part : options.merge) {
    const std::string path = part + kBlocks;
    State state = FTVM_TRY(read_any_shard(path, options.plan, options.runner.program.has_value()));
    all.merge(state.tallies);
    if (state.tallies.empty()) continue;
    return Error(ErrorCode::kUsage, path + ": block " +
                                        std::to_string(state.tallies.begin()->first) +
                                        " is in a folder before it too; merge each shard once");
  }
  return all;
}

Result<StateFile> begin_state(const CampaignOptions& options, Runner& runner,
                              const std::string& path, const std::string& heading) {
  // Read before anything is replaced.
  std::map<std::uint64_t, Tally> parts = FTVM_TRY(read_parts(options));
  StateFile state = FTVM_TRY(StateFile::create(path, heading, options.overwrite));
  for (auto& [block, tally] : parts) {
    FTVM_TRY(state.append(block, tally));
    runner.already_done(block, std::move(tally));
  }
  return state;
}

Result<StateFile> open_state(const CampaignOptions& options, Runner& runner) {
  const std::string path = options.folder + kBlocks;
  const std::string heading =
      state_heading(options.plan, options.runner.shard, options.runner.program.has_value());
  // So that a job which may be started again needs one command line only.
  const bool begun = ::access(path.c_str(), F_OK) == 0;
  if (!options.resume || !begun) return begin_state(options, runner, path, heading);
  std::map<std::uint64_t, Tally> tallies;
  StateFile state = FTVM_TRY(StateFile::resume(path, heading, &tallies));
  for (auto& [block, tally] : tallies) runner.already_done(block, std::move(tally));
  return state;
}

std::string story_of(const PairRun& run, const Failure& failure) {
  std::string text;
  for (const sim::Fault& fault : run.options.plan) text += fault.text() + "\n";
  return text + failure.rule + ": " + failure.what;
}

Result<Finding> shrink_finding(const CampaignOptions& options, const Guests& guests,
                               const Failure& failure) {
  Finding finding{.failure = failure};
  const std::string seed = std::to_string(failure.seed);
  finding.reproduce = "ftvm campaign " + options.folder + "/plan.toml --run " + seed;
  if (options.runner.program) finding.reproduce += " --rig";
  // None of them can be judged by doing the run once more.
  const bool judged_elsewhere = failure.rule == kDeterminismRule || failure.rule == kEndsRule ||
                                options.runner.program.has_value();
  if (judged_elsewhere) return finding;
  const PairRun run = draw_run(options.plan, failure.seed);
  const Shrunk shrunk = shrink(run, failure, [&](const PairRun& smaller) -> std::optional<Failure> {
    const Result<Tally> tally = run_alone(smaller, guests);
    if (!tally || tally->failures.empty()) return std::nullopt;
    return tally->failures.front();
  });
  finding.plan = plan_text(exact_plan(shrunk.run));
  finding.plan_path = "seed-" + seed + ".toml";
  finding.story = story_of(shrunk.run, shrunk.failure);
  finding.tries = shrunk.tries;
  FTVM_TRY(write_text(options.folder + "/" + finding.plan_path, finding.plan));
  finding.trace_path = "seed-" + seed + ".jsonl";
  FTVM_TRY(run_alone(shrunk.run, guests, options.folder + "/" + finding.trace_path));
  return finding;
}

/// The first failure of each rule: others of it are most often the same bug.
Result<std::vector<Finding>> find(const CampaignOptions& options, const Guests& guests,
                                  const Tally& tally) {
  std::vector<Finding> findings;
  std::set<std::string> rules;
  for (const Failure& failure : tally.failures) {
    if (findings.size() == options.shrunk_max) break;
    if (options.stop && options.stop()) break;
    if (!rules.insert(failure.rule).second) continue;
    findings.push_back(FTVM_TRY(shrink_finding(options, guests, failure)));
  }
  return findings;
}

Status write_reports(const std::string& folder, const Report& report) {
  FTVM_TRY(write_text(folder + "/report.json", report_json(report)));
  FTVM_TRY(write_text(folder + "/junit.xml", report_junit(report)));
  return write_text(folder + "/report.html", report_html(report));
}

}  // namespace

Result<Tally> run_alone(const PairRun& run, const Guests& guests, const std::string& trace) {
  const Isolated::Ended ended = FTVM_TRY(run_isolated([&](IsolatedProgress&) {
    PairRun traced = run;
    std::ofstream out;
    if (!trace.empty()) {
      out.open(trace, std::ios::trunc);
      // Each line at once: the last one before an assertion is the one that matters.
      traced.options.trace = [&out](const sim::Cluster::Passed& passed) {
        out << trace_line(passed) << std::endl;
      };
    }
    Tally tally;
    tally.add(execute(traced, guests));
    return tally;
  }));
  if (ended.tally) return *ended.tally;
  Tally tally;
  tally.add(Verdict{.seed = run.options.seed,
                    .failure = Failure{run.options.seed, std::string(kAssertionRule), ended.died}});
  return tally;
}

Result<Report> run_campaign(const CampaignOptions& options, const Guests& guests) {
  const auto began = std::chrono::steady_clock::now();
  std::error_code error;
  std::filesystem::create_directories(options.folder, error);
  if (error) return Error(ErrorCode::kIo, options.folder + ": " + error.message());
  Runner runner(options.plan, guests, options.runner);
  StateFile state = FTVM_TRY(open_state(options, runner));
  FTVM_TRY(write_text(options.folder + "/plan.toml", plan_text(options.plan)));
  Report report{.plan = options.plan, .shard = options.runner.shard};
  const Status ran = runner.run(
      {.done = [&](std::uint64_t block, const Tally& tally) { return state.append(block, tally); },
       .look =
           [&](const Runner::Progress& progress) {
             report.runs_here = progress.runs_here;
             if (options.look) options.look(progress);
           },
       .stop = options.stop});
  FTVM_TRY(ran);
  const auto spent = std::chrono::steady_clock::now() - began;
  report.ms = std::chrono::duration_cast<std::chrono::milliseconds>(spent).count();
  report.tally = runner.total();
  report.complete = runner.complete();
  report.findings = FTVM_TRY(find(options, guests, report.tally));
  FTVM_TRY(write_reports(options.folder, report));
  return report;
}

}  // namespace ftvm::ftcore::campaign
