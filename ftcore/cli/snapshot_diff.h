// What two snapshots differ in: fields of CPU and devices by name, pages of RAM by number. One
// machine is in memory at a time; of the other, names, values and page digests are kept.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emulator/base/digest.h"
#include "emulator/state.h"
#include "ftcore/cli/bare_machine.h"
#include "ftcore/cli/journal_diff.h"

namespace ftvm::cli {

/// What is compared of a machine.
struct MachineFacts {
  Tick tick;
  Digest state;
  std::vector<StatePrinter::Line> fields;
  std::vector<Digest> pages;  // Of kPageBytes each.
};
MachineFacts facts_of(Machine& machine);

/// Fields by their order, which is their name's order on the same board. When the lists are not of
/// the same fields, the last difference says where they part.
std::vector<Difference> field_differences(const std::vector<StatePrinter::Line>& left,
                                          const std::vector<StatePrinter::Line>& right);

/// Numbers of all pages that differ; a page that only one of them has does.
std::vector<std::uint64_t> page_differences(const std::vector<Digest>& left,
                                            const std::vector<Digest>& right);

}  // namespace ftvm::cli
