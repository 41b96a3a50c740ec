#include "ftcore/cli/snapshot_diff.h"

#include <algorithm>

#include "emulator/memory.h"

namespace ftvm::cli {

MachineFacts facts_of(Machine& machine) {
  StatePrinter printer;
  machine.visit_digest(printer);
  MachineFacts facts{.tick = machine.now().tick,
                     .state = machine.digest_all(),
                     .fields = printer.lines(),
                     .pages = {}};
  const ByteView ram = machine.memory().bytes();
  facts.pages.reserve(ram.size() / kPageBytes);
  for (std::size_t at = 0; at < ram.size(); at += kPageBytes) {
    facts.pages.push_back(digest_of(ram.subspan(at, kPageBytes)));
  }
  return facts;
}

std::vector<Difference> field_differences(const std::vector<StatePrinter::Line>& left,
                                          const std::vector<StatePrinter::Line>& right) {
  std::vector<Difference> differences;
  const std::size_t count = std::max(left.size(), right.size());
  for (std::size_t i = 0; i < count; ++i) {
    if (i >= left.size() || i >= right.size() || left[i].name != right[i].name) {
      const std::string ours = i < left.size() ? left[i].name : "nothing";
      const std::string theirs = i < right.size() ? right[i].name : "nothing";
      differences.push_back({"field " + std::to_string(i), ours, theirs});
      break;
    }
    if (left[i].value != right[i].value) {
      differences.push_back({left[i].name, left[i].value, right[i].value});
    }
  }
  return differences;
}

std::vector<std::uint64_t> page_differences(const std::vector<Digest>& left,
                                            const std::vector<Digest>& right) {
  std::vector<std::uint64_t> pages;
  for (std::size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
    const bool same = i < left.size() && i < right.size() && left[i] == right[i];
    if (!same) pages.push_back(i);
  }
  return pages;
}

}  // namespace ftvm::cli
