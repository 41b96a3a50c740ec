// A plan as TOML: every field of it, so that it means the same whatever the defaults become.
#include <toml++/toml.h>

#include <sstream>
#include <utility>

#include "ftcore/campaign/plan_codec.h"
#include "ftcore/campaign/plan_fields.h"

namespace ftvm::ftcore::campaign {
namespace {

/// Puts fields into a table.
class Writer {
 public:
  explicit Writer(toml::table& table) : table_(table) {}
  void operator()(std::string_view key, const Range& range, Range) {
    if (range.least == range.most) {
      table_.insert_or_assign(key, range.least);
    } else {
      table_.insert_or_assign(key, toml::array{range.least, range.most});
    }
  }
  void operator()(std::string_view key, const std::optional<Range>& range, Range bounds) {
    if (range) (*this)(key, *range, bounds);
  }
  template <class List, class NameOf>
  void texts(std::string_view key, const List& list, const NameOf& name_of) {
    if (list.size() == 1) {
      table_.insert_or_assign(key, std::string(name_of(list.front())));
      return;
    }
    toml::array names;
    for (const auto& each : list) names.push_back(std::string(name_of(each)));
    table_.insert_or_assign(key, std::move(names));
  }

 private:
  toml::table& table_;
};

toml::table fault_table(const FaultSpec& spec) {
  toml::table table;
  Writer writer(table);
  writer.texts("kind", spec.kinds, sim::fault_name);
  writer.texts("side", spec.sides, sim::side_name);
  writer.texts("reason", spec.reasons, [](EndReason reason) { return end_reason_name(reason); });
  toml::array places;
  for (const PlaceSpec& place : spec.places) {
    toml::table at;
    const std::string_view key = place.moment ? sim::moment_name(*place.moment) : kAfterName;
    Writer place_writer(at);
    place_writer(key, place.where, kNumberBounds);
    places.push_back(std::move(at));
  }
  if (!places.empty()) table.insert("at", std::move(places));
  visit_fault(spec, writer);
  return table;
}

toml::table pair_table(const PairSpec& pair) {
  toml::table table;
  visit_pair(pair, Writer(table));
  toml::table primary, backup;
  visit_node(pair.primary, Writer(primary));
  visit_node(pair.backup, Writer(backup));
  if (pair.backup_speed_percent) backup.erase("ticks_per_ms");
  table.insert("primary", std::move(primary));
  table.insert("backup", std::move(backup));
  return table;
}

toml::table program_table(const ProgramSpec& program) {
  toml::table table;
  Writer writer(table);
  const auto as_it_is = [](const std::string& text) { return text; };
  writer.texts("command", program.command, as_it_is);
  writer.texts("case", program.cases, as_it_is);
  table.insert("seconds_max", program.seconds_max);
  return table;
}

}  // namespace

std::string plan_text(const Plan& plan) {
  toml::table table;
  table.insert("name", plan.name);
  Writer(table).texts("guest", plan.guests, [](const std::string& name) { return name; });
  table.insert("seed", static_cast<std::int64_t>(plan.seed));
  table.insert("runs", static_cast<std::int64_t>(plan.runs));
  table.insert("twice_percent", std::int64_t{plan.twice_percent});
  if (plan.plant != sim::Plant::kNone) {
    table.insert("plant", std::string(sim::plant_name(plan.plant)));
  }
  if (plan.program) table.insert("program", program_table(*plan.program));
  table.insert("pair", pair_table(plan.pair));
  toml::array faults;
  for (const FaultSpec& spec : plan.faults) faults.push_back(fault_table(spec));
  table.insert("fault", std::move(faults));
  std::ostringstream text;
  text << table << "\n";
  return text.str();
}

}  // namespace ftvm::ftcore::campaign
