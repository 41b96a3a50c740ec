// The JSON form of a journal's summary. Keys are stable: programs read them.
#include <nlohmann/json.hpp>

#include "emulator/base/hex.h"
#include "ftcore/cli/inspect_json.h"
#include "ftcore/cli/journal_summary.h"
#include "ftcore/cli/record_line.h"

namespace ftvm::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string_view tail_name(const JournalSummary& summary) {
  if (summary.damage) return "damaged";
  switch (summary.tail.kind) {
    case replay::TailKind::kUnread:
      return "unread";
    case replay::TailKind::kComplete:
      return "complete";
    case replay::TailKind::kTorn:
      return "torn";
    case replay::TailKind::kUnended:
      return "unended";
  }
  return "unknown";
}

Json count_json(const KindCount& count) {
  return {{"records", count.records}, {"bytes", count.bytes}};
}

}  // namespace

std::string summary_json(const std::string& path, const JournalSummary& summary) {
  const replay::JournalHeader& header = summary.header;
  Json json{{"type", "journal"},
            {"file", one_line(path)},
            {"file_bytes", summary.file_bytes},
            {"run_id", hex(header.run_id)},
            {"start",
             {{"tick", header.start.value},
              {"seq", header.start_seq.value},
              {"snapshot", header.start_snapshot.hex()}}},
            {"identity", Json::parse(identity_json(header.identity))},
            {"total", count_json(summary.total)}};
  json["kinds"] = Json::object();
  for (const auto& [kind, count] : summary.kinds) json["kinds"][kind] = count_json(count);
  json["duration"] = {{"ticks", summary.ticks()}, {"guest_ns", summary.guest_ns}};
  if (summary.first) json["first"] = Json::parse(record_json(*summary.first));
  if (summary.last) json["last"] = Json::parse(record_json(*summary.last));
  if (summary.end) {
    json["end"] = {{"reason", end_reason_name(summary.end->reason)},
                   {"state", summary.end->state.hex()}};
  }
  json["tail"] = {{"kind", tail_name(summary)},
                  {"good_bytes", summary.tail.offset},
                  {"text", one_line(summary.tail.text())}};
  if (summary.damage) json["error"] = Json::parse(error_json(*summary.damage));
  return json.dump();
}

}  // namespace ftvm::cli
