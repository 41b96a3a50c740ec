// ftvm campaign: thousands of pairs under seeded faults, and a report of what broke.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "emulator/base/file.h"
#include "ftcore/campaign/campaign.h"
#include "ftcore/campaign/plan_codec.h"
#include "ftcore/campaign/plan_fields.h"
#include "ftcore/cli/command.h"

namespace ftvm::cli {
namespace {

using namespace ftcore::campaign;
namespace sim = ftcore::sim;
namespace fs = std::filesystem;

constexpr std::size_t kPlanBytesMax = std::size_t{4} << 20;
constexpr std::int64_t kMsPerMinute = 60'000;

std::string plan_path;
std::string folder = "campaign";
std::string shard_text = "1/1";
std::string plant_name;
std::string trace_path;
std::optional<std::uint64_t> runs, first_seed, one_seed;
std::vector<std::string> parts;
double minutes = 0;
unsigned jobs = 0;
std::uint64_t failures_max = 20;
bool resuming = false;
bool not_shrinking = false;
bool with_rig = false;

std::atomic<bool> stopped{false};

void add_options(CLI::App& app, Options&) {
  app.add_option("PLAN", plan_path, "Plan in TOML; without it, the standard plan");
  app.add_option("--runs", runs, "Instead of the plan's");
  app.add_option("--seed", first_seed, "Of the first run, instead of the plan's");
  app.add_option("--minutes", minutes, "Begin nothing new after so long (0: no limit)");
  app.add_option("--jobs", jobs, "Runs at a time (0: one for each processor)");
  auto* shard = app.add_option("--shard", shard_text, "K/N: do the Kth of N equal parts")
                    ->capture_default_str();
  app.add_option("--out", folder, "Folder for the report")->capture_default_str();
  app.add_option("--failures", failures_max, "Begin nothing new after so many (0: no limit)")
      ->capture_default_str();
  app.add_option("--run", one_seed, "Do only the run of this seed, and say what happens in it");
  app.add_option("--trace", trace_path,
                 "With --run: every moment of it to this file, as JSON lines");
  app.add_option("--plant", plant_name, "Plant this bug, to see it found (test builds only)");
  app.add_flag("--rig", with_rig, "Runs are real processes, by the plan's [program]");
  auto* resume = app.add_flag("--resume", resuming,
                              "Go on with what was broken off in --out, if anything was");
  app.add_option("--merge", parts,
                 "Folders of the campaign's shards: one report; what is missing is done here")
      ->excludes(shard)
      ->excludes(resume);
  app.add_flag("--no-shrink", not_shrinking, "Leave failing runs as they are");
}

Error usage(const std::string& text) {
  return {ErrorCode::kUsage, text};
}

Status plant_bug(Plan& plan) {
  if (plant_name.empty()) return {};
  if (const auto plant = named<sim::Plant>(sim::kPlantNames, plant_name)) {
    plan.plant = *plant;
    return {};
  }
  std::string names;
  for (const std::string_view each : sim::kPlantNames) names += " " + std::string(each);
  return usage("--plant " + plant_name + ": there are" + names);
}

/// Images are where the plan says, seen from its own folder.
void find_guests(Plan& plan, const fs::path& from) {
  for (std::string& guest : plan.guests) {
    if (guest != kToyGuest && fs::path(guest).is_relative()) {
      guest = fs::absolute(from / guest).lexically_normal().string();
    }
  }
}

void find_program(Plan& plan, const fs::path& from) {
  if (!plan.program) return;
  constexpr std::string_view kHere = "{here}";
  const fs::path here = from.empty() ? fs::path(".") : from;
  for (std::string& word : plan.program->command) {
    const std::size_t at = word.find(kHere);
    if (at == std::string::npos) continue;
    word.replace(at, kHere.size(), fs::absolute(here).lexically_normal().string());
  }
}

Result<Plan> read_plan() {
  Plan plan;
  if (!plan_path.empty()) {
    const Bytes bytes = FTVM_TRY(read_file(plan_path, kPlanBytesMax));
    plan = FTVM_TRY(
        parse_plan({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, plan_path));
    find_guests(plan, fs::path(plan_path).parent_path());
    find_program(plan, fs::path(plan_path).parent_path());
  }
  if (runs && *runs == 0) return usage("--runs 0: there is nothing to do");
  plan.runs = runs.value_or(plan.runs);
  plan.seed = first_seed.value_or(plan.seed);
  FTVM_TRY(plant_bug(plan));
  if (plan.plant != sim::Plant::kNone && !sim::kPlantsCompiledIn) {
    return usage("this build has no planted bugs; configure it with -DFTVM_TEST_POINTS=ON");
  }
  if (with_rig && !plan.program) {
    return usage("--rig: the plan has no [program] that does a run; see docs/formats/plan.md");
  }
  return plan;
}

void print_progress(const Runner::Progress& seen, const char* before, const char* after) {
  const double seconds = static_cast<double>(std::max<std::int64_t>(seen.ms, 1)) / 1'000;
  const double rate = static_cast<double>(seen.runs_here) / seconds;
  const double left = rate > 0 ? static_cast<double>(seen.runs_in_all - seen.runs) / rate : 0;
  const std::string marks = seen.marks_in_all == 0
                                ? ""  // A program's runs have none.
                                : ", " + std::to_string(seen.marks) + " of " +
                                      std::to_string(seen.marks_in_all) + " marks";
  std::fprintf(stderr,
               "%s%llu of %llu runs, %.*f a second, %llu failovers, %llu failures%s; %.0f s left%s",
               before, static_cast<unsigned long long>(seen.runs),
               static_cast<unsigned long long>(seen.runs_in_all), rate < 10 ? 1 : 0, rate,
               static_cast<unsigned long long>(seen.failovers),
               static_cast<unsigned long long>(seen.failures), marks.c_str(), left, after);
}

void print_live(const Runner::Progress& seen) {
  print_progress(seen, "\r", "   ");
}

/// For the log of a CI, which would take silence for a hang.
void print_now_and_then(const Runner::Progress& seen) {
  constexpr std::int64_t kEachMs = 60'000;
  static std::int64_t next_ms = kEachMs;
  if (seen.ms < next_ms) return;
  next_ms = seen.ms + kEachMs;
  print_progress(seen, "", "\n");
}

void print_report(const Report& report) {
  const Tally& tally = report.tally;
  std::printf("%llu runs, %llu failovers (median silence %lld ms, 99 %% %lld ms), %zu failures\n",
              static_cast<unsigned long long>(tally.runs),
              static_cast<unsigned long long>(tally.failovers),
              static_cast<long long>(tally.silence_ms(50)),
              static_cast<long long>(tally.silence_ms(99)), tally.failures.size());
  constexpr std::size_t kPrintedMax = 10;
  for (std::size_t i = 0; i < std::min(kPrintedMax, tally.failures.size()); ++i) {
    const Failure& failure = tally.failures[i];
    std::printf("  seed %llu: %s: %s\n", static_cast<unsigned long long>(failure.seed),
                failure.rule.c_str(), failure.what.c_str());
  }
  for (const Finding& each : report.findings) {
    std::printf("%s\n", each.reproduce.c_str());
    if (each.plan.empty()) continue;
    std::printf("  shrunk to %s/%s after %zu tries:\n", folder.c_str(), each.plan_path.c_str(),
                each.tries);
    std::printf("%s\n", each.story.c_str());
  }
  if (!report.complete) std::printf("broken off; go on with --resume\n");
  std::printf("report: %s/report.html, digest %s\n", folder.c_str(), tally.digest.hex().c_str());
}

ProgramPlace program_place() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  return {.ftvm = self.string(), .shared = fs::absolute(folder).lexically_normal().string()};
}

Result<int> run_one_program(const Plan& plan) {
  std::error_code error;
  fs::create_directories(folder, error);
  const Verdict verdict = execute_program(plan, *one_seed, program_place());
  std::printf("seed %llu, %s: %s\n", static_cast<unsigned long long>(*one_seed),
              verdict.name.c_str(),
              verdict.failure   ? verdict.failure->what.c_str()
              : verdict.skipped ? "skipped"
                                : "passed");
  if (verdict.failure) {
    std::printf("  all it said is in %s/run-%llu/output\n", folder.c_str(),
                static_cast<unsigned long long>(*one_seed));
  }
  return static_cast<int>(verdict.failure ? kExitFailed : kExitOk);
}

/// One run, and its story.
Result<int> run_one(const Plan& plan, const Guests& guests) {
  const PairRun run = draw_run(plan, *one_seed);
  std::printf("seed %llu, guest %s\n", static_cast<unsigned long long>(*one_seed),
              run.guest.c_str());
  for (const sim::Fault& fault : run.options.plan) std::printf("  %s\n", fault.text().c_str());
  const Tally tally = FTVM_TRY(run_alone(run, guests, trace_path));
  std::printf("%s%s, silence %lld ms, digest %s\n",
              tally.failovers != 0 ? "failed over" : "did not fail over",
              tally.machines_lost != 0 ? ", lost both halves" : "",
              static_cast<long long>(tally.silence_ms(100)), tally.digest.hex().c_str());
  for (const Failure& failure : tally.failures) {
    std::printf("%s: %s\n", failure.rule.c_str(), failure.what.c_str());
  }
  return static_cast<int>(tally.failures.empty() ? kExitOk : kExitFailed);
}

Result<Runner::Options> runner_options(const Plan& plan) {
  const unsigned processors = std::max(1u, std::thread::hardware_concurrency());
  Runner::Options runner{.failures_max = failures_max};
  Result<Shard> shard = parse_shard(shard_text);
  if (!shard) return shard.error().context("--shard");
  runner.shard = *shard;
  if (minutes > 0) runner.budget_ms = static_cast<std::int64_t>(minutes * kMsPerMinute);
  runner.jobs = jobs != 0 ? jobs : processors;
  if (!with_rig) return runner;
  constexpr std::int64_t kAfterItsOwnLimitMs = 60'000;
  runner.program = program_place();
  runner.run_ms_max = plan.program->seconds_max * 1'000 + kAfterItsOwnLimitMs;
  if (jobs == 0) runner.jobs = std::max(1u, processors / 2);  // A pair keeps two busy.
  return runner;
}

Result<int> run(Options& options) {
  const Plan plan = FTVM_TRY(read_plan());
  if (with_rig && one_seed) return run_one_program(plan);
  const Guests guests = FTVM_TRY(Guests::load(plan.guests));
  if (one_seed) return run_one(plan, guests);
  CampaignOptions campaign{.plan = plan, .folder = folder, .resume = resuming};
  campaign.overwrite = options.overwrite;
  campaign.merge = parts;
  campaign.runner = FTVM_TRY(runner_options(plan));
  if (not_shrinking) campaign.shrunk_max = 0;
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  campaign.look = terminal ? print_live : print_now_and_then;
  campaign.stop = [] { return stopped.load(); };
  for (const int signal : {SIGINT, SIGTERM}) {
    (void)std::signal(signal, [](int number) {
      stopped = true;
      (void)std::signal(number, SIG_DFL);  // A second one ends it at once.
    });
  }
  const Report report = FTVM_TRY(run_campaign(campaign, guests));
  if (terminal) std::fprintf(stderr, "\n");
  print_report(report);
  return static_cast<int>(report.tally.failures.empty() && report.complete ? kExitOk : kExitFailed);
}

}  // namespace

const Command kCampaignCommand{
    .name = "campaign",
    .summary = "Break thousands of simulated pairs, and see whether they hold",
    .add_options = add_options,
    .run = run,
    .footer =
        "Examples: ftvm campaign examples/campaign/smoke.toml\n"
        "          ftvm campaign smoke.toml --shard 2/8 --out part2\n"
        "          ftvm campaign smoke.toml --merge part1 part2 --out whole\n"
        "          ftvm campaign campaign/plan.toml --run 1234\n"
        "          ftvm campaign examples/campaign/rig.toml --rig --runs 300\n"
        "Exit code 0: every run was done and no rule was broken.\n"
        "docs/formats/plan.md says what a plan may hold, docs/testing.md what the rules are."};

}  // namespace ftvm::cli
