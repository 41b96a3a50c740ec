#include "ftcore/cli/snapshot_summary.h"

#include <fcntl.h>

#include <nlohmann/json.hpp>

#include "emulator/base/hex.h"
#include "emulator/base/scoped_fd.h"
#include "ftcore/cli/file_kind.h"
#include "ftcore/cli/identity_text.h"
#include "ftcore/cli/inspect_json.h"
#include "replay/snapshot.h"
#include "replay/snapshot_reader.h"

namespace ftvm::cli {
namespace {

Status read_rest(int fd, SnapshotSummary& summary) {
  replay::SnapshotReader reader(fd);
  FTVM_TRY(reader.read_preamble());
  FTVM_TRY(reader.read_state());
  while (FTVM_TRY(reader.next_ram())) ++summary.ram_chunks;
  FTVM_TRY(reader.check_nothing_follows());
  summary.state = reader.end().machine;
  return {};
}

std::string row(const std::string& name, const std::string& text) {
  std::string padded = name;
  padded.resize(std::max<std::size_t>(name.size() + 1, 20), ' ');
  return padded + text + "\n";
}

}  // namespace

Result<SnapshotSummary> summarize_snapshot(const std::string& path) {
  SnapshotSummary summary;
  summary.preamble = FTVM_TRY(replay::read_snapshot_preamble(path));
  summary.file_bytes = FTVM_TRY(file_size_bytes(path));
  const ScopedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return error_from_errno("open " + path);
  Status rest = read_rest(fd.get(), summary);
  if (!rest) summary.damage = rest.error().context(path);
  return summary;
}

std::string summary_text(const std::string& path, const SnapshotSummary& summary) {
  const replay::SnapshotPreamble& preamble = summary.preamble;
  std::string text = row("snapshot", path + ", " + std::to_string(summary.file_bytes) + " bytes");
  text += row("run", hex(preamble.place.run_id));
  text += row("tick", std::to_string(preamble.place.tick.value));
  text += row("behind record", std::to_string(preamble.place.seq.value));
  for (const NamedText& field : identity_texts(preamble.identity))
    text += row(field.name, field.text);
  text += row("state_bytes", std::to_string(preamble.state_bytes));
  text += row("ram_in_use", std::to_string(summary.ram_chunks * replay::kRamChunkBytes) +
                                " bytes in " + std::to_string(summary.ram_chunks) + " chunks");
  if (summary.state) text += row("state", summary.state->hex());
  return text + row("tail", summary.damage ? "damaged: " + summary.damage->message() : "complete");
}

std::string summary_json(const std::string& path, const SnapshotSummary& summary) {
  using Json = nlohmann::ordered_json;
  const replay::SnapshotPreamble& preamble = summary.preamble;
  Json json{{"type", "snapshot"},
            {"file", one_line(path)},
            {"file_bytes", summary.file_bytes},
            {"run_id", hex(preamble.place.run_id)},
            {"tick", preamble.place.tick.value},
            {"seq", preamble.place.seq.value},
            {"identity", Json::parse(identity_json(preamble.identity))},
            {"state_bytes", preamble.state_bytes},
            {"ram_chunks", summary.ram_chunks},
            {"ram_chunk_bytes", replay::kRamChunkBytes}};
  if (summary.state) json["state"] = summary.state->hex();
  if (summary.damage) json["error"] = Json::parse(error_json(*summary.damage));
  return json.dump();
}

}  // namespace ftvm::cli
