#include "ftcore/cli/journal_diff.h"

#include <algorithm>

#include "emulator/base/assert.h"
#include "ftcore/cli/identity_text.h"
#include "ftcore/cli/record_line.h"

namespace ftvm::cli {
namespace {

using replay::Record;

std::string place_of(const Record& record) {
  return "record " + std::to_string(record.seq.value) + " at tick " +
         std::to_string(record.at.value);
}

std::string text_of(const std::optional<Record>& record) {
  if (!record) return "nothing: the journal ends before";
  return "tick " + std::to_string(record->at.value) + ", " +
         std::string(replay::record_kind(*record)) + ": " + record_detail(*record);
}

std::string start_text(const replay::JournalHeader& header) {
  if (header.start_snapshot == Digest{}) return "power-on";
  return "snapshot " + header.start_snapshot.hex() + " at tick " +
         std::to_string(header.start.value) + ", behind record " +
         std::to_string(header.start_seq.value);
}

}  // namespace

std::vector<Difference> identity_differences(const replay::MachineIdentity& left,
                                             const replay::MachineIdentity& right) {
  const std::vector<NamedText> ours = identity_texts(left), theirs = identity_texts(right);
  FTVM_ASSERT(ours.size() == theirs.size());
  std::vector<Difference> differences;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    if (ours[i] != theirs[i]) differences.push_back({ours[i].name, ours[i].text, theirs[i].text});
  }
  return differences;
}

std::vector<Difference> header_differences(const replay::JournalHeader& left,
                                           const replay::JournalHeader& right) {
  std::vector<Difference> differences = identity_differences(left.identity, right.identity);
  const std::string ours = start_text(left), theirs = start_text(right);
  if (ours != theirs) differences.push_back({"start", ours, theirs});
  return differences;
}

Result<std::optional<Difference>> first_record_difference(replay::RecordSource& left,
                                                          replay::RecordSource& right) {
  for (;;) {
    const std::optional<Record> ours = FTVM_TRY(left.next());
    const std::optional<Record> theirs = FTVM_TRY(right.next());
    if (!ours && !theirs) return std::optional<Difference>();
    if (ours == theirs) continue;
    const Record& shown = ours ? *ours : *theirs;
    return std::optional<Difference>({place_of(shown), text_of(ours), text_of(theirs)});
  }
}

}  // namespace ftvm::cli
