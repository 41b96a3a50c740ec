// A plan from TOML, each field once, with its bounds.
#include <toml++/toml.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "ftcore/campaign/plan_codec.h"
#include "ftcore/campaign/plan_fields.h"
#include "ftcore/campaign/toml_reader.h"

namespace ftvm::ftcore::campaign {
namespace {

template <class Enum, class Names>
auto by_name(const Names& names) {
  return [&names](std::string_view text) { return named<Enum>(names, text); };
}

constexpr std::array kSideNames{sim::side_name(sim::Side::kPrimary),
                                sim::side_name(sim::Side::kBackup)};

std::vector<std::string_view> reason_names() {
  std::vector<std::string_view> names(kReasons.size());
  std::transform(kReasons.begin(), kReasons.end(), names.begin(), end_reason_name);
  return names;
}
std::optional<EndReason> reason_of(std::string_view text) {
  const auto found = std::find_if(kReasons.begin(), kReasons.end(),
                                  [text](EndReason each) { return end_reason_name(each) == text; });
  return found == kReasons.end() ? std::nullopt : std::optional(*found);
}

/// { left = [1, 100] }: one key, which is a moment or a time.
void read_place(TomlReader& reader, std::vector<PlaceSpec>& places) {
  for (std::size_t i = 0; i < sim::kMomentNames.size(); ++i) {
    std::optional<Range> where;
    reader(sim::kMomentNames[i], where, kNumberBounds);
    if (where) places.push_back({.moment = static_cast<sim::Moment>(i), .where = *where});
  }
  std::optional<Range> after;
  reader(kAfterName, after, kAfterBounds);
  if (after) places.push_back({.where = *after});
}

void read_places(TomlReader& reader, FaultSpec& spec) {
  constexpr std::size_t kPlacesMax = 100;
  const toml::node* node = reader.find("at");
  if (node == nullptr) return;
  if (node->is_table()) {
    reader.table("at", [&](TomlReader& at) { read_place(at, spec.places); });
  } else {
    reader.tables("at", kPlacesMax, [&](TomlReader& at) { read_place(at, spec.places); });
  }
  if (spec.places.empty()) {
    reader.wrong(*node, "at", "needs a place, such as { left = [1, 100] } or { after_us = 5000 }");
  }
}

FaultSpec read_fault(TomlReader& reader) {
  FaultSpec spec;
  reader.choices("kind", spec.kinds, by_name<sim::FaultKind>(sim::kFaultNames), sim::kFaultNames);
  reader.choices("side", spec.sides, by_name<sim::Side>(kSideNames), kSideNames);
  reader.choices("reason", spec.reasons, reason_of, reason_names());
  read_places(reader, spec);
  visit_fault(spec, reader);
  return spec;
}

void read_pair(TomlReader& reader, PairSpec& pair) {
  const std::optional<Range> relative = std::exchange(pair.backup_speed_percent, std::nullopt);
  visit_pair(pair, reader);
  reader.table("primary", [&](TomlReader& node) { visit_node(pair.primary, node); });
  const toml::node* own_speed = nullptr;
  reader.table("backup", [&](TomlReader& node) {
    visit_node(pair.backup, node);
    own_speed = node.find("ticks_per_ms");
  });
  if (own_speed == nullptr) {
    if (!pair.backup_speed_percent) pair.backup_speed_percent = relative;
  } else if (pair.backup_speed_percent) {
    reader.wrong(*own_speed, "backup.ticks_per_ms", "contradicts backup_speed_percent; say one");
  }
}

ProgramSpec read_program(TomlReader& reader) {
  ProgramSpec program;
  reader.texts("command", [&](const std::string& text) { program.command.push_back(text); });
  std::vector<std::string> cases;
  reader.texts("case", [&](const std::string& text) { cases.push_back(text); });
  if (!cases.empty()) program.cases = cases;
  reader.number("seconds_max", program.seconds_max, kProgramSeconds);
  return program;
}

void read_plan(TomlReader& reader, Plan& plan) {
  std::vector<std::string> names;
  reader.texts("name", [&](const std::string& text) { names.push_back(text); });
  if (!names.empty()) plan.name = names.front();
  std::vector<std::string> guests;
  reader.texts("guest", [&](const std::string& text) { guests.push_back(text); });
  if (guests.size() > kGuestsMax) {
    reader.wrong(*reader.find("guest"), "guest", "at most " + std::to_string(kGuestsMax));
  } else if (!guests.empty()) {
    plan.guests = guests;
  }
  reader.number("seed", plan.seed, {0, INT64_MAX});
  reader.number("runs", plan.runs, {1, 1'000'000'000'000});
  reader.number("twice_percent", plan.twice_percent, {0, 100});
  std::vector<sim::Plant> plants;
  reader.choices("plant", plants, by_name<sim::Plant>(sim::kPlantNames), sim::kPlantNames);
  if (!plants.empty()) plan.plant = plants.front();
  reader.table("pair", [&](TomlReader& pair) { read_pair(pair, plan.pair); });
  reader.table("program", [&](TomlReader& program) { plan.program = read_program(program); });
  if (plan.program && (plan.program->command.empty() || plan.program->command.size() > kWordsMax ||
                       plan.program->cases.size() > kWordsMax)) {
    reader.wrong(*reader.find("program"), "program",
                 "needs a command, of a thousand words at most");
  }
  if (reader.find("fault") == nullptr) return;
  plan.faults.clear();
  reader.tables("fault", kFaultGroupsMax,
                [&](TomlReader& fault) { plan.faults.push_back(read_fault(fault)); });
}

}  // namespace

Result<Plan> parse_plan(std::string_view text, const std::string& path) {
  Plan plan;
  Problem problem(path);
  try {
    const toml::table table = toml::parse(text, path);
    TomlReader reader(table, "", problem);
    read_plan(reader, plan);
    reader.finish();
  } catch (const toml::parse_error& error) {
    problem.at(error.source(), "TOML", std::string(error.description()));
  }
  if (problem.first()) return *problem.first();
  return plan;
}

}  // namespace ftvm::ftcore::campaign
