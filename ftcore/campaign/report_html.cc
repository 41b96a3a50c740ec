// One page that needs nothing else: no script, no font, no picture from elsewhere.
#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ftcore/campaign/report.h"

namespace ftvm::ftcore::campaign {
namespace {

constexpr std::string_view kStyle = R"css(
:root { --ink: #1b1f24; --soft: #667085; --line: #e4e7ec; --good: #067647; --bad: #b42318;
        --bar: #3b6fd4; --paper: #fff; --tint: #f7f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --soft: #98a2b3; --line: #2b3036; --good: #47cd89; --bad: #f97066;
          --bar: #7aa2f7; --paper: #14171a; --tint: #1c2024; } }
* { box-sizing: border-box; }
body { margin: 2.5rem auto; max-width: 60rem; padding: 0 1.25rem; color: var(--ink);
       background: var(--paper); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.05rem; margin: 2.25rem 0 .6rem; }
p { margin: .25rem 0; } .soft { color: var(--soft); } .good { color: var(--good); }
.bad { color: var(--bad); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr));
           gap: .75rem; margin-top: 1.25rem; }
.figure { background: var(--tint); border: 1px solid var(--line); border-radius: 8px;
          padding: .7rem .9rem; }
.figure b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.figure span { color: var(--soft); font-size: .85rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
td, th { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line);
         vertical-align: top; }
th { color: var(--soft); font-weight: 500; } td.n, th.n { text-align: right; }
pre { background: var(--tint); border: 1px solid var(--line); border-radius: 8px; overflow-x: auto;
      padding: .7rem .9rem; font-size: .85rem; margin: .5rem 0; }
code { font-family: ui-monospace, monospace; font-size: .9em; }
svg text { fill: var(--soft); font-size: 11px; } svg rect { fill: var(--bar); }
details summary { cursor: pointer; color: var(--soft); }
)css";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

/// 12,345,678.
std::string grouped(std::uint64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string figure(const std::string& id, const std::string& value, std::string_view label,
                   std::string_view kind = "") {
  return "<div class=\"figure\"><b id=\"" + id + "\" class=\"" + std::string(kind) + "\">" + value +
         "</b><span>" + std::string(label) + "</span></div>\n";
}

std::string heading(const Report& report) {
  const Tally& tally = report.tally;
  const bool good = tally.failures.empty() && report.complete;
  const std::string_view verdict = !tally.failures.empty() ? "rules were broken"
                                   : report.complete       ? "no rule was broken"
                                                           : "broken off before its end";
  std::string guests;
  for (const std::string& each : report.plan.guests) guests += (guests.empty() ? "" : ", ") + each;
  const std::string who = tally.cases.empty() ? "guest " + guests : "real processes";
  std::string html = "<h1>" + escaped(report.plan.name) + ": <span id=\"verdict\" class=\"" +
                     (good ? "good" : "bad") + "\">" + std::string(verdict) + "</span></h1>\n" +
                     "<p class=\"soft\">" + escaped(who) + ", seeds " +
                     std::to_string(report.plan.seed) + " to " +
                     std::to_string(report.plan.seed + report.plan.runs - 1) + ", shard " +
                     std::to_string(report.shard.index) + "/" + std::to_string(report.shard.count) +
                     ", ftvm " FTVM_VERSION "</p>\n" + "<div class=\"figures\">\n";
  html += figure("runs", grouped(tally.runs), "runs");
  html += figure("failovers", grouped(tally.failovers), "failovers");
  html += figure("failures", grouped(tally.failures.size()), "failures",
                 tally.failures.empty() ? "good" : "bad");
  html += figure("twice", grouped(tally.twice), "runs done twice");
  html += figure("silence", std::to_string(tally.silence_ms(50)) + " ms", "median failover");
  if (report.ms > 0) {
    const std::uint64_t rate = report.runs_here * 1'000 / static_cast<std::uint64_t>(report.ms);
    html += figure("rate", grouped(rate), "runs a second");
  }
  return html + "</div>\n";
}

/// The first of them; all are in the other reports.
std::string failures_table(const std::vector<Failure>& failures) {
  constexpr std::size_t kShownMax = 20;
  std::map<std::string, std::uint64_t> rules;
  for (const Failure& each : failures) ++rules[each.rule];
  std::string html = "<h2>What failed</h2>\n<p>";
  for (const auto& [rule, count] : rules) {
    html += "<code>" + escaped(rule) + "</code> in " + grouped(count) + " runs. ";
  }
  html += "</p>\n<table id=\"failed\"><tr><th>seed</th><th>rule</th><th>what</th></tr>\n";
  for (std::size_t i = 0; i < std::min(kShownMax, failures.size()); ++i) {
    html += "<tr><td>" + std::to_string(failures[i].seed) + "</td><td><code>" +
            escaped(failures[i].rule) + "</code></td><td>" + escaped(failures[i].what) +
            "</td></tr>\n";
  }
  if (failures.size() > kShownMax) {
    html += "<tr><td></td><td></td><td class=\"soft\">and " + grouped(failures.size() - kShownMax) +
            " more: junit.xml</td></tr>\n";
  }
  return html + "</table>\n";
}

std::string findings_section(const Report& report) {
  if (report.tally.failures.empty()) return "";
  std::string html = failures_table(report.tally.failures);
  for (const Finding& each : report.findings) {
    html += "<h2>Seed " + std::to_string(each.failure.seed) + ", <code>" +
            escaped(each.failure.rule) + "</code></h2>\n<p>The run that failed:</p><pre>" +
            escaped(each.reproduce) + "</pre>\n";
    if (each.plan.empty()) continue;
    html += "<p>The smallest one found, after " + std::to_string(each.tries) +
            " tries, is <a href=\"" + escaped(each.plan_path) + "\">" + escaped(each.plan_path) +
            "</a>, and <a href=\"" + escaped(each.trace_path) +
            "\">what happens in it</a>:</p><pre>" + escaped(each.story) +
            "</pre>\n<details><summary>its plan" + "</summary><pre>" + escaped(each.plan) +
            "</pre></details>\n";
  }
  return html;
}

/// How long nothing new was seen outside, in the runs that failed over.
std::string silence_section(const Tally& tally) {
  if (tally.silences.empty()) return "";
  constexpr int kWidth = 900, kHeight = 150, kFoot = 20;
  const std::int64_t last = tally.silences.rbegin()->first;
  std::uint64_t most = 1;
  for (const auto& [step, count] : tally.silences) most = std::max(most, count);
  const double bar = static_cast<double>(kWidth) / static_cast<double>(last + 1);
  const auto number = [](double value) {
    return std::to_string(static_cast<std::int64_t>(value * 10) / 10) + "." +
           std::to_string(static_cast<std::int64_t>(value * 10) % 10);
  };
  std::string html = "<h2>Failover times</h2>\n<svg viewBox=\"0 0 " + std::to_string(kWidth) + " " +
                     std::to_string(kHeight + kFoot) +
                     "\" role=\"img\" aria-label=\"Distribution of failover times\">\n";
  for (const auto& [step, count] : tally.silences) {
    const double height =
        static_cast<double>(kHeight) * static_cast<double>(count) / static_cast<double>(most);
    html += "<rect x=\"" + number(bar * static_cast<double>(step)) + "\" y=\"" +
            number(kHeight - height) + "\" width=\"" + number(std::max(1.0, bar - 1)) +
            "\" height=\"" + number(std::max(0.5, height)) + "\"><title>" +
            std::to_string(step * Tally::kSilenceStepMs) + " ms: " + grouped(count) +
            "</title></rect>\n";
  }
  html += "<text x=\"0\" y=\"" + std::to_string(kHeight + 15) + "\">0</text><text x=\"" +
          std::to_string(kWidth) + "\" y=\"" + std::to_string(kHeight + 15) +
          "\" text-anchor=\"end\">" + std::to_string((last + 1) * Tally::kSilenceStepMs) +
          " ms</text>\n</svg>\n<p class=\"soft\">Without new output for at most: median " +
          std::to_string(tally.silence_ms(50)) + ", 95 % " + std::to_string(tally.silence_ms(95)) +
          ", 99 % " + std::to_string(tally.silence_ms(99)) + ", longest " +
          std::to_string(tally.silence_ms(100)) + " ms of virtual time.</p>\n";
  return html;
}

/// What a program was asked to try.
std::string cases_section(const Tally& tally) {
  std::string html =
      "<h2>What was tried</h2>\n<table><tr><th>case</th><th class=\"n\">runs</th></tr>\n";
  for (const auto& [name, count] : tally.cases) {
    html += "<tr><td><code>" + escaped(name) + "</code></td><td class=\"n\">" + grouped(count) +
            "</td></tr>\n";
  }
  html += "</table>\n";
  if (tally.skipped != 0) {
    html += "<p>" + grouped(tally.skipped) + " of them could not be done on this host.</p>\n";
  }
  return html;
}

std::string coverage_section(const Tally& tally) {
  if (!tally.cases.empty()) return cases_section(tally);
  std::string html =
      "<h2>What was tried</h2>\n<table><tr><th>fault</th><th class=\"n\">struck</th>"
      "</tr>\n";
  for (std::size_t i = 0; i < tally.met.size(); ++i) {
    html += "<tr><td><code>" + std::string(sim::kFaultNames[i]) + "</code></td><td class=\"n\">" +
            grouped(tally.met[i]) + "</td></tr>\n";
  }
  html += "</table>\n<h2>Marks</h2>\n";
  const std::vector<std::string> missed = marks_missed(tally);
  html += "<p id=\"missed\">";
  if (missed.empty()) html += "Every marked path was taken.";
  for (const std::string& name : missed) {
    html += (&name == &missed.front() ? "Never passed: <code class=\"bad\">"
                                      : ", <code class=\"bad\">") +
            escaped(name) + "</code>";
  }
  html += "</p>\n<table><tr><th>mark</th><th class=\"n\">passed</th></tr>\n";
  for (const auto& [name, count] : tally.marks) {
    html += "<tr><td><code>" + escaped(name) + "</code></td><td class=\"n\">" + grouped(count) +
            "</td></tr>\n";
  }
  return html + "</table>\n<p class=\"soft\">Digest of all runs: <code id=\"digest\">" +
         tally.digest.hex() + "</code>. Equal plans have equal digests, on every machine.</p>\n";
}

}  // namespace

std::string report_html(const Report& report) {
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>ftvm "
         "campaign " +
         escaped(report.plan.name) + "</title>\n<style>" + std::string(kStyle) +
         "</style></head><body>\n" + heading(report) + findings_section(report) +
         silence_section(report.tally) + coverage_section(report.tally) + "</body></html>\n";
}

}  // namespace ftvm::ftcore::campaign
