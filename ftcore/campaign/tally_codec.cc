#include "ftcore/campaign/tally_codec.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "ftcore/campaign/plan_fields.h"

namespace ftvm::ftcore::campaign {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kHexDigits = 16;

bool parse_digest(const std::string& hex, Digest* digest) {
  if (hex.size() != 2 * kHexDigits) return false;
  for (std::size_t i = 0; i < 2; ++i) {
    const char* from = hex.data() + i * kHexDigits;
    const auto [end, error] = std::from_chars(from, from + kHexDigits, digest->words[i], 16);
    if (error != std::errc() || end != from + kHexDigits) return false;
  }
  return true;
}

Json failure_json(const Failure& failure) {
  return {{"seed", failure.seed}, {"rule", failure.rule}, {"what", failure.what}};
}

/// Throws what nlohmann throws for what is missing or of another type.
Tally tally_of(const Json& json) {
  Tally tally;
  tally.runs = json.at("runs").get<std::uint64_t>();
  tally.failovers = json.at("failovers").get<std::uint64_t>();
  tally.machines_lost = json.at("machines_lost").get<std::uint64_t>();
  tally.twice = json.at("twice").get<std::uint64_t>();
  tally.events = json.at("events").get<std::uint64_t>();
  for (const auto& [name, count] : json.at("faults").items()) {
    const auto place = named<std::size_t>(sim::kFaultNames, name);
    if (!place) throw std::out_of_range("a fault of no known kind");
    tally.met[*place] = count.get<std::uint64_t>();
  }
  for (const Json& each : json.at("silences")) {
    tally.silences[each.at(0).get<std::int64_t>()] = each.at(1).get<std::uint64_t>();
  }
  for (const auto& [name, count] : json.at("marks").items()) {
    tally.marks[name] = count.get<std::uint64_t>();
  }
  for (const auto& [name, count] : json.at("cases").items()) {
    tally.cases[name] = count.get<std::uint64_t>();
  }
  tally.skipped = json.at("skipped").get<std::uint64_t>();
  for (const Json& each : json.at("failures")) {
    tally.failures.push_back({each.at("seed").get<std::uint64_t>(),
                              each.at("rule").get<std::string>(),
                              each.at("what").get<std::string>()});
  }
  if (!parse_digest(json.at("digest").get<std::string>(), &tally.digest)) {
    throw std::out_of_range("a digest of another form");
  }
  return tally;
}

}  // namespace

std::string tally_json(const Tally& tally) {
  Json json{{"runs", tally.runs},
            {"failovers", tally.failovers},
            {"machines_lost", tally.machines_lost},
            {"twice", tally.twice},
            {"events", tally.events}};
  Json& faults = json["faults"] = Json::object();
  for (std::size_t i = 0; i < tally.met.size(); ++i) {
    if (tally.met[i] != 0) faults[std::string(sim::kFaultNames[i])] = tally.met[i];
  }
  Json& silences = json["silences"] = Json::array();
  for (const auto& [step, count] : tally.silences) silences.push_back({step, count});
  Json& marks = json["marks"] = Json::object();
  for (const auto& [name, count] : tally.marks) marks[name] = count;
  Json& cases = json["cases"] = Json::object();
  for (const auto& [name, count] : tally.cases) cases[name] = count;
  json["skipped"] = tally.skipped;
  Json& failures = json["failures"] = Json::array();
  for (const Failure& each : tally.failures) failures.push_back(failure_json(each));
  json["digest"] = tally.digest.hex();
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Tally> parse_tally(std::string_view text) {
  try {
    return tally_of(Json::parse(text));
  } catch (const std::exception& error) {
    return Error(ErrorCode::kBadData, std::string("not the tally of a campaign: ") + error.what());
  }
}

}  // namespace ftvm::ftcore::campaign
