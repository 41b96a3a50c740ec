// ftvm doctor: whether what the user is about to do can work here.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "ftcore/cli/command.h"
#include "ftcore/cli/doctor.h"
#include "ftcore/cli/identity_text.h"

namespace ftvm::cli {

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kSkipped:
      return "skipped";
    case Verdict::kWarn:
      return "warn";
    case Verdict::kFail:
      return "fail";
  }
  return "unknown";
}

namespace {

bool as_json = false;

void add_options(CLI::App& app, Options&) {
  app.add_flag("--json", as_json, "One JSON object");
}

void print(const Finding& finding) {
  std::printf("%-8s %-19s %s\n", std::string(verdict_name(finding.verdict)).c_str(),
              finding.name.c_str(), one_line(finding.text).c_str());
  if (!finding.advice.empty()) std::printf("%-28s what to do: %s\n", "", finding.advice.c_str());
  std::fflush(stdout);
}

void print_json(const std::vector<Finding>& findings, bool fit) {
  nlohmann::ordered_json json{{"ok", fit}, {"checks", nlohmann::ordered_json::array()}};
  for (const Finding& finding : findings) {
    nlohmann::ordered_json check{{"name", finding.name},
                                 {"verdict", verdict_name(finding.verdict)},
                                 {"text", one_line(finding.text)}};
    if (!finding.advice.empty()) check["advice"] = one_line(finding.advice);
    json["checks"].push_back(std::move(check));
  }
  std::printf("%s\n", json.dump().c_str());
}

Result<int> run(Options& options) {
  std::vector<Finding> findings;
  bool fit = true;
  const Report report = [&](Finding finding) {
    fit = fit && finding.verdict != Verdict::kFail;
    if (!as_json) print(finding);
    findings.push_back(std::move(finding));
  };
  // The host first: it is looked at before any other thread exists.
  check_host(options, report);
  check_engines(report);
  check_guest(options, report);
  check_pair(options, report);
  if (as_json) print_json(findings, fit);
  return static_cast<int>(fit ? kExitOk : kExitFailed);
}

}  // namespace

const Command kDoctorCommand{
    .name = "doctor",
    .summary = "Check that machines, pairs and recordings will work here",
    .add_options = add_options,
    .run = run,
    .footer =
        "Example: ftvm doctor --config pair.toml\n"
        "It looks at what the options name: images, journal folder, arbiter, channel, key.\n"
        "Exit code 0: nothing is in the way, 1: something is."};

}  // namespace ftvm::cli
