#include "ftcore/campaign/report.h"

#include <nlohmann/json.hpp>
#include <pugixml.hpp>
#include <sstream>

namespace ftvm::ftcore::campaign {
namespace {

using Json = nlohmann::ordered_json;

std::string seeds_text(const Report& report) {
  return "seeds " + std::to_string(report.plan.seed) + " to " +
         std::to_string(report.plan.seed + report.plan.runs - 1) + ", shard " + report.shard.text();
}

/// Why a campaign without a failure has not passed either; empty when it has.
std::string shortcoming(const Report& report) {
  if (!report.complete) return "the campaign was broken off: go on with --resume";
  return "";
}

}  // namespace

std::vector<std::string> marks_missed(const Tally& tally) {
  std::vector<std::string> missed;
  for (const auto& [name, count] : tally.marks) {
    if (count == 0) missed.push_back(name);
  }
  return missed;
}

std::string report_json(const Report& report) {
  const Tally& tally = report.tally;
  Json json{{"ftvm", FTVM_VERSION},
            {"campaign", report.plan.name},
            {"guests", report.plan.guests},
            {"first_seed", report.plan.seed},
            {"runs_in_plan", report.plan.runs},
            {"shard", report.shard.text()},
            {"complete", report.complete},
            {"runs", tally.runs},
            {"runs_twice", tally.twice},
            {"failovers", tally.failovers},
            {"machines_lost", tally.machines_lost},
            {"failures", tally.failures.size()},
            {"digest", tally.digest.hex()},
            {"silence_ms",
             {{"p50", tally.silence_ms(50)},
              {"p95", tally.silence_ms(95)},
              {"p99", tally.silence_ms(99)},
              {"most", tally.silence_ms(100)}}},
            {"seconds", static_cast<double>(report.ms) / 1'000}};
  Json& faults = json["faults"] = Json::object();
  for (std::size_t i = 0; i < tally.met.size(); ++i) {
    faults[std::string(sim::kFaultNames[i])] = tally.met[i];
  }
  json["cases"] = tally.cases;
  json["skipped"] = tally.skipped;
  json["marks"] = tally.marks;
  json["marks_missed"] = marks_missed(tally);
  Json& findings = json["findings"] = Json::array();
  for (const Finding& each : report.findings) {
    findings.push_back({{"seed", each.failure.seed},
                        {"rule", each.failure.rule},
                        {"what", each.failure.what},
                        {"reproduce", each.reproduce},
                        {"plan", each.plan_path},
                        {"trace", each.trace_path},
                        {"tries", each.tries}});
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// One case for the campaign as a whole and one for each failure: a case for each of a million
/// runs is nothing that a CI would show.
std::string report_junit(const Report& report) {
  pugi::xml_document document;
  pugi::xml_node suites = document.append_child("testsuites");
  pugi::xml_node suite = suites.append_child("testsuite");
  suite.append_attribute("name") = ("ftvm campaign " + report.plan.name).c_str();
  const std::string missing = shortcoming(report);
  const std::size_t failures = report.tally.failures.size() + (missing.empty() ? 0 : 1);
  suite.append_attribute("tests") = 1 + report.tally.failures.size();
  suite.append_attribute("failures") = failures;
  suite.append_attribute("errors") = 0;
  suite.append_attribute("time") = static_cast<double>(report.ms) / 1'000;
  const auto add_case = [&](const std::string& name) {
    pugi::xml_node one = suite.append_child("testcase");
    one.append_attribute("classname") = ("campaign." + report.plan.name).c_str();
    one.append_attribute("name") = name.c_str();
    return one;
  };
  const auto fail = [](pugi::xml_node one, const std::string& type, const std::string& message,
                       const std::string& text) {
    pugi::xml_node failure = one.append_child("failure");
    failure.append_attribute("type") = type.c_str();
    failure.append_attribute("message") = message.c_str();
    failure.text() = text.c_str();
  };
  pugi::xml_node whole = add_case(seeds_text(report));
  if (!missing.empty()) fail(whole, "incomplete", missing, missing);
  for (const Failure& failure : report.tally.failures) {
    std::string text = failure.what;
    for (const Finding& each : report.findings) {
      if (each.failure.seed != failure.seed) continue;
      text += "\n" + each.reproduce + "\n" + each.story;
    }
    fail(add_case("seed " + std::to_string(failure.seed)), failure.rule, failure.what, text);
  }
  std::ostringstream out;
  document.save(out, "  ");
  return out.str();
}

}  // namespace ftvm::ftcore::campaign
