// ftvm diff: what two journals, or two snapshots, differ in.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "ftcore/cli/bare_machine.h"
#include "ftcore/cli/command.h"
#include "ftcore/cli/file_kind.h"
#include "ftcore/cli/journal_diff.h"
#include "ftcore/cli/snapshot_diff.h"
#include "replay/journal_reader.h"

namespace ftvm::cli {
namespace {

constexpr int kExitSame = kExitOk, kExitDiffers = kExitFailed;
/// Of each sort that are shown.
constexpr std::size_t kFieldsShownMax = 64;
constexpr std::size_t kPagesShownMax = 16;

std::string left_path;
std::string right_path;

void add_options(CLI::App& app, Options&) {
  app.add_option("A", left_path, "Journal or snapshot")->required();
  app.add_option("B", right_path, "Another one of the same kind")->required();
}

void print(const Difference& difference) {
  std::printf("%s\n  A: %s\n  B: %s\n", difference.where.c_str(), difference.left.c_str(),
              difference.right.c_str());
}

void print_some(const std::vector<Difference>& differences, std::size_t shown_max) {
  for (std::size_t i = 0; i < std::min(differences.size(), shown_max); ++i) print(differences[i]);
  if (differences.size() > shown_max) {
    std::printf("... and %zu more\n", differences.size() - shown_max);
  }
}

Result<int> diff_journals() {
  const auto left = FTVM_TRY(replay::JournalReader::open(left_path));
  const auto right = FTVM_TRY(replay::JournalReader::open(right_path));
  const std::vector<Difference> headers = header_differences(left->header(), right->header());
  print_some(headers, headers.size());
  const auto record = FTVM_TRY(first_record_difference(*left, *right));
  if (record) print(*record);
  if (!headers.empty() || record) return kExitDiffers;
  std::printf("same: %llu records up to tick %llu\n",
              static_cast<unsigned long long>(left->tail().last_seq.value),
              static_cast<unsigned long long>(left->tail().last_tick.value));
  // Records are what a journal is; where the file was cut off behind them is only told.
  for (const auto* reader : {left.get(), right.get()}) {
    if (reader->tail().kind == replay::TailKind::kComplete) continue;
    std::printf("%s: %s\n", reader == left.get() ? "A" : "B", reader->tail().text().c_str());
  }
  return kExitSame;
}

void print_pages(const std::vector<std::uint64_t>& pages) {
  if (pages.empty()) return;
  std::printf("RAM differs in %zu pages of %llu bytes:", pages.size(),
              static_cast<unsigned long long>(kPageBytes));
  for (std::size_t i = 0; i < std::min(pages.size(), kPagesShownMax); ++i) {
    std::printf(" %llu", static_cast<unsigned long long>(pages[i]));
  }
  std::printf("%s\n", pages.size() > kPagesShownMax ? " ..." : "");
}

Result<int> diff_snapshots(const Options& options) {
  const auto read = [&options](const std::string& path,
                               replay::MachineIdentity* identity) -> Result<MachineFacts> {
    const auto bare = FTVM_TRY(BareMachine::load(path, options.machine));
    *identity = bare->preamble().identity;
    return facts_of(bare->machine());
  };
  replay::MachineIdentity left_identity, right_identity;
  const MachineFacts left = FTVM_TRY(read(left_path, &left_identity));
  const MachineFacts right = FTVM_TRY(read(right_path, &right_identity));
  const auto identities = identity_differences(left_identity, right_identity);
  const auto fields = field_differences(left.fields, right.fields);
  const auto pages = page_differences(left.pages, right.pages);
  print_some(identities, identities.size());
  if (left.tick != right.tick) {
    print({"tick", std::to_string(left.tick.value), std::to_string(right.tick.value)});
  }
  print_some(fields, kFieldsShownMax);
  print_pages(pages);
  const bool same =
      identities.empty() && fields.empty() && pages.empty() && left.tick == right.tick;
  if (!same) return kExitDiffers;
  std::printf("same: tick %llu, state %s\n", static_cast<unsigned long long>(left.tick.value),
              left.state.hex().c_str());
  return kExitSame;
}

Result<int> compare(const Options& options) {
  const FileKind left = FTVM_TRY(file_kind(left_path)), right = FTVM_TRY(file_kind(right_path));
  if (left != right) {
    return Error(ErrorCode::kUsage, "A is a " + std::string(file_kind_name(left)) + ", B is a " +
                                        std::string(file_kind_name(right)));
  }
  return left == FileKind::kJournal ? diff_journals() : diff_snapshots(options);
}

/// 1 means "they differ" here, so a file that cannot be read must not look like that.
Result<int> run(Options& options) {
  Result<int> result = compare(options);
  if (result || exit_code_of(result.error()) != kExitFailed) return result;
  std::fprintf(stderr, "ftvm diff: %s\n", result.error().message().c_str());
  return static_cast<int>(kExitBadData);
}

}  // namespace

const Command kDiffCommand{
    .name = "diff",
    .summary = "Show the first difference of two journals, or all of two snapshots",
    .add_options = add_options,
    .run = run,
    .footer =
        "Examples: ftvm diff monday.ftj tuesday.ftj\n"
        "          ftvm diff primary.fts backup.fts\n"
        "Exit code 0: the same, 1: they differ, 3: damaged. Names of runs are not compared."};

}  // namespace ftvm::cli
