// Reports say what was found: to people on a page, to a CI in JUnit, to programs in JSON.
#include "ftcore/campaign/report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <pugixml.hpp>
#include <string>

#include "ftcore/campaign/plan_codec.h"

namespace ftvm::ftcore::campaign {
namespace {

Report good_report() {
  Report report;
  report.plan.runs = 1'234;
  for (std::uint64_t seed = 1; seed <= 1'234; ++seed) {
    report.tally.add(Verdict{.seed = seed,
                             .failed_over = seed % 2 == 0,
                             .silence_us = static_cast<std::int64_t>(seed) * 100,
                             .met = {sim::FaultKind::kKill}});
  }
  report.tally.marks = {{"gate.held", 12'345}, {"gate.overflow", 0}};
  report.complete = true;
  report.ms = 2'000;
  report.runs_here = 1'234;
  return report;
}

Report bad_report() {
  Report report = good_report();
  const Failure failure{17, "one_stream", "a \"<b>\" & more"};
  report.tally.add(Verdict{.seed = 17, .failure = failure});
  report.findings.push_back({.failure = failure,
                             .reproduce = "ftvm campaign campaign/plan.toml --run 17",
                             .plan = plan_text(Plan{}),
                             .plan_path = "seed-17.toml",
                             .story = "kill primary at left 3\none_stream: a \"<b>\"",
                             .tries = 41});
  return report;
}

pugi::xml_document junit_of(const Report& report) {
  pugi::xml_document document;
  const std::string text = report_junit(report);
  EXPECT_TRUE(document.load_string(text.c_str())) << text;
  return document;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Report, JUnitOfACampaignThatHolds) {
  const auto document = junit_of(good_report());
  const pugi::xml_node suite = document.child("testsuites").child("testsuite");
  EXPECT_EQ(suite.attribute("tests").as_int(), 1);
  EXPECT_EQ(suite.attribute("failures").as_int(), 0);
  EXPECT_STREQ(suite.child("testcase").attribute("name").value(), "seeds 1 to 1234, shard 1/1");
  EXPECT_FALSE(suite.child("testcase").child("failure"));
}

TEST(Report, JUnitOfACampaignThatFails) {
  const auto document = junit_of(bad_report());
  const pugi::xml_node suite = document.child("testsuites").child("testsuite");
  EXPECT_EQ(suite.attribute("tests").as_int(), 2);
  EXPECT_EQ(suite.attribute("failures").as_int(), 1);
  const pugi::xml_node failed = suite.find_child_by_attribute("name", "seed 17");
  const pugi::xml_node failure = failed.child("failure");
  EXPECT_STREQ(failure.attribute("type").value(), "one_stream");
  EXPECT_STREQ(failure.attribute("message").value(), "a \"<b>\" & more");
  EXPECT_TRUE(has(failure.text().get(), "--run 17"));
}

TEST(Report, ACampaignThatWasBrokenOffIsRed) {
  Report report = good_report();
  report.complete = false;
  const auto document = junit_of(report);
  const pugi::xml_node suite = document.child("testsuites").child("testsuite");
  EXPECT_EQ(suite.attribute("failures").as_int(), 1);
  EXPECT_STREQ(suite.child("testcase").child("failure").attribute("type").value(), "incomplete");
  EXPECT_TRUE(has(report_html(report), "class=\"bad\">broken off before its end"));
}

TEST(Report, JsonHasTheNumbers) {
  const auto json = nlohmann::json::parse(report_json(bad_report()));
  EXPECT_EQ(json["runs"], 1'235);
  EXPECT_EQ(json["failovers"], 617);
  EXPECT_EQ(json["failures"], 1);
  EXPECT_EQ(json["silence_ms"]["p50"], 70);
  EXPECT_EQ(json["silence_ms"]["most"], 130);
  EXPECT_EQ(json["faults"]["kill"], 1'234);
  EXPECT_EQ(json["marks_missed"], nlohmann::json::array({"gate.overflow"}));
  EXPECT_EQ(json["findings"][0]["seed"], 17);
}

TEST(Report, ThePageHasTheNumbersAndEscapesWhatItIsTold) {
  const std::string good = report_html(good_report());
  EXPECT_TRUE(has(good, "<b id=\"runs\" class=\"\">1,234</b>"));
  EXPECT_TRUE(has(good, "<b id=\"failovers\" class=\"\">617</b>"));
  EXPECT_TRUE(has(good, "<b id=\"failures\" class=\"good\">0</b>"));
  EXPECT_TRUE(has(good, "no rule was broken"));
  EXPECT_TRUE(has(good, "Never passed: <code class=\"bad\">gate.overflow</code>"));
  const std::string bad = report_html(bad_report());
  EXPECT_TRUE(has(bad, "rules were broken"));
  EXPECT_TRUE(has(bad, "a &quot;&lt;b&gt;&quot; &amp; more"));
  EXPECT_FALSE(has(bad, "<b>\" & more"));
  EXPECT_TRUE(has(bad, "href=\"seed-17.toml\""));
}

TEST(Report, ThePageNeedsNothingElse) {
  const std::string page = report_html(bad_report());
  for (const char* outside : {"src=", "http:", "https:", "@import", "<script", "<link"}) {
    EXPECT_FALSE(has(page, outside)) << outside;
  }
}

TEST(Tally, SilencesAreNearestRankOfTheirSteps) {
  Tally tally;
  EXPECT_EQ(tally.silence_ms(50), 0);
  for (const std::int64_t ms : {5, 15, 25, 35}) {
    tally.add(Verdict{.failed_over = true, .silence_us = ms * 1'000});
  }
  EXPECT_EQ(tally.silence_ms(25), 10);
  EXPECT_EQ(tally.silence_ms(50), 20);
  EXPECT_EQ(tally.silence_ms(51), 30);
  EXPECT_EQ(tally.silence_ms(100), 40);
}

}  // namespace
}  // namespace ftvm::ftcore::campaign
