#include "ftcore/cli/journal_summary.h"

#include <cstdio>

#include "emulator/base/assert.h"
#include "emulator/base/hex.h"
#include "ftcore/cli/file_kind.h"
#include "ftcore/cli/record_line.h"

namespace ftvm::cli {
namespace {

using replay::Record;

/// Guest time of a run, followed by its ClockSync records. Under the virtual clock, and from
/// power-on, the clock is the one every machine starts with. Else it starts with the snapshot's,
/// which is not here: nothing is known before the first of them, and ticks are counted from there.
class GuestTimeline {
 public:
  explicit GuestTimeline(const replay::JournalHeader& header) {
    const bool known =
        header.identity.clock == replay::ClockMode::kVirtual || header.start == Tick{};
    if (!known) return;
    origin_ = Tick{};
    from_ = clock_.at(header.start);
  }

  /// Errors: kBadData for a clock that goes back.
  Status see(const Record& record) {
    const auto* sync = std::get_if<ClockSync>(&record.body);
    if (sync == nullptr) return {};
    if (!origin_) origin_ = record.at;
    FTVM_TRY(clock_.apply(since_origin(record.at), *sync));
    if (!from_) from_ = sync->base;
    return {};
  }

  [[nodiscard]] std::uint64_t ns_until(Tick tick) const {
    return from_ ? clock_.at(since_origin(tick)).ns - from_->ns : 0;
  }

 private:
  [[nodiscard]] Tick since_origin(Tick tick) const { return {tick.value - origin_->value}; }

  GuestClock clock_;
  std::optional<Tick> origin_;
  std::optional<GuestTime> from_;
};

void count(JournalSummary& summary, const Record& record) {
  const std::uint64_t bytes = encoded_bytes(record);
  for (KindCount* kind :
       {&summary.kinds[std::string(replay::record_kind(record))], &summary.total}) {
    ++kind->records;
    kind->bytes += bytes;
  }
  if (!summary.first) summary.first = record;
  summary.last = record;
  if (const auto* end = std::get_if<replay::End>(&record.body)) summary.end = *end;
}

std::string number(std::uint64_t value) {
  return std::to_string(value);
}

std::string row(const std::string& name, const std::string& text) {
  std::string padded = name;
  padded.resize(std::max<std::size_t>(name.size() + 1, 20), ' ');
  return padded + text + "\n";
}

std::string kind_rows(const JournalSummary& summary) {
  std::string text;
  for (const auto& [kind, count] : summary.kinds) {
    char line[128];
    const double share = 100.0 * static_cast<double>(count.bytes) /
                         static_cast<double>(std::max<std::uint64_t>(summary.total.bytes, 1));
    std::snprintf(line, sizeof line, "  %-16s %10llu records %12llu bytes %5.1f %%\n", kind.c_str(),
                  static_cast<unsigned long long>(count.records),
                  static_cast<unsigned long long>(count.bytes), share);
    text += line;
  }
  return text;
}

std::string tail_text(const JournalSummary& summary) {
  return summary.damage ? "damaged: " + summary.damage->message() : summary.tail.text();
}

}  // namespace

Result<JournalSummary> summarize_journal(const std::string& path,
                                         const std::function<void(const Record&)>& on_record) {
  const auto reader = FTVM_TRY(replay::JournalReader::open(path));
  JournalSummary summary;
  summary.header = reader->header();
  summary.file_bytes = FTVM_TRY(file_size_bytes(path));
  GuestTimeline time(summary.header);
  for (;;) {
    const auto record = reader->next();
    if (!record) summary.damage = record.error();
    if (!record || !*record) break;
    count(summary, **record);
    const Status clock = time.see(**record);
    if (!clock && !summary.damage) summary.damage = clock.error();
    if (on_record) on_record(**record);
  }
  summary.tail = reader->tail();
  if (summary.last) summary.guest_ns = time.ns_until(summary.last->at);
  return summary;
}

std::string summary_text(const std::string& path, const JournalSummary& summary) {
  const replay::JournalHeader& header = summary.header;
  std::string text = row("journal", path + ", " + number(summary.file_bytes) + " bytes");
  text += row("run", hex(header.run_id));
  const bool from_snapshot = header.start_snapshot != Digest{};
  text += row("start", from_snapshot ? "snapshot " + header.start_snapshot.hex() + " at tick " +
                                           number(header.start.value) + ", behind record " +
                                           number(header.start_seq.value)
                                     : "power-on");
  for (const NamedText& field : identity_texts(header.identity))
    text += row(field.name, field.text);
  text += row("records", number(summary.total.records) + " in " + number(summary.total.bytes) +
                             " bytes, " + number(summary.file_bytes) + " as stored");
  text += kind_rows(summary);
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.6f", static_cast<double>(summary.guest_ns) / 1e9);
  text += row("duration", number(summary.ticks()) + " ticks, " + seconds + " s of guest time");
  if (summary.first) text += row("first", record_line(*summary.first));
  if (summary.last) text += row("last", record_line(*summary.last));
  return text + row("tail", tail_text(summary));
}

}  // namespace ftvm::cli
