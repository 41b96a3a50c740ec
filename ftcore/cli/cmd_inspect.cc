// ftvm inspect: what is in a journal or a snapshot.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "ftcore/cli/command.h"
#include "ftcore/cli/file_kind.h"
#include "ftcore/cli/journal_summary.h"
#include "ftcore/cli/record_line.h"
#include "ftcore/cli/snapshot_summary.h"

namespace ftvm::cli {
namespace {

std::string path;
std::string range_text;
CLI::Option* records_option = nullptr;
bool as_json = false;

void add_options(CLI::App& app, Options&) {
  app.add_option("FILE", path, "Journal or snapshot");
  records_option =
      app.add_option("--records", range_text,
                     "List records, one a line; FROM..TO: only these, by their numbers")
          ->expected(0, 1);
  app.add_flag("--json", as_json, "JSON: one object; with --records one line for each record");
}

/// `--records FILE` reads as if FILE were the range.
void settle_arguments() {
  if (path.empty() && !range_text.empty()) std::swap(path, range_text);
}

/// Prints what can be read; `damage` decides the exit code and goes to standard error.
int finish(const std::optional<Error>& damage) {
  if (!damage) return kExitOk;
  std::fflush(stdout);
  std::fprintf(stderr, "ftvm inspect: %s\n", damage->message().c_str());
  return exit_code_of(*damage);
}

Result<int> list_records() {
  const SeqRange range = FTVM_TRY(parse_seq_range(range_text));
  const auto print = [&range](const replay::Record& record) {
    if (range.has(record.seq)) {
      std::printf("%s\n", as_json ? record_json(record).c_str() : record_line(record).c_str());
    }
  };
  const JournalSummary summary = FTVM_TRY(summarize_journal(path, print));
  const bool is_whole = summary.damage || summary.tail.kind == replay::TailKind::kComplete;
  if (!is_whole) std::fprintf(stderr, "journal: %s\n", summary.tail.text().c_str());
  return finish(summary.damage);
}

Result<int> inspect_journal() {
  if (records_option->count() > 0) return list_records();
  const JournalSummary summary = FTVM_TRY(summarize_journal(path, nullptr));
  if (as_json) {
    std::printf("%s\n", summary_json(path, summary).c_str());
  } else {
    std::fputs(summary_text(path, summary).c_str(), stdout);
  }
  return finish(summary.damage);
}

Result<int> inspect_snapshot() {
  if (records_option->count() > 0) {
    return Error(ErrorCode::kUsage, path + " is a snapshot: it has no records");
  }
  const SnapshotSummary summary = FTVM_TRY(summarize_snapshot(path));
  if (as_json) {
    std::printf("%s\n", summary_json(path, summary).c_str());
  } else {
    std::fputs(summary_text(path, summary).c_str(), stdout);
  }
  return finish(summary.damage);
}

Result<int> run(Options&) {
  settle_arguments();
  if (path.empty()) return Error(ErrorCode::kUsage, "no FILE given");
  const FileKind kind = FTVM_TRY(file_kind(path));
  return kind == FileKind::kJournal ? inspect_journal() : inspect_snapshot();
}

}  // namespace

const Command kInspectCommand{
    .name = "inspect",
    .summary = "Show what is in a journal or a snapshot",
    .add_options = add_options,
    .run = run,
    .footer =
        "Examples: ftvm inspect boot.ftj\n"
        "          ftvm inspect boot.ftj --records 10..20 --json\n"
        "A file that was cut off is shown as such. Of a damaged one, what is good is shown;\n"
        "the exit code is 3 then."};

}  // namespace ftvm::cli
