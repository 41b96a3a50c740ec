// What left a pair, against the rules: an output leaves when the backup has its mark, a survivor
// has done everything the outside has seen before it goes live, and what is said twice is the same.
// Whether it is also what the plain run says is for the test to compare: see `outside`.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "emulator/world.h"

namespace ftvm::test {

class ReleaseCheck {
 public:
  std::vector<std::string> faults;
  std::vector<Output> outside;  // Each output once, in order, whoever said it first.
  std::string published;        // Console text that the backup showed to be the primary's.
  std::uint64_t by_primary = 0;
  std::uint64_t repeats = 0;

  void primary(const Output& output, bool covered) {
    if (!covered) fault(text(by_primary, "left before the backup had its mark"));
    left("primary", by_primary++, output);
  }
  /// `made`: outputs of the backup's machine so far, these included. It keeps all it made, so its
  /// first ones end where its machine stands.
  void backup(const std::vector<Output>& outputs, std::uint64_t made) {
    if (!backup_spoke_) by_backup_ = made - outputs.size();
    backup_spoke_ = true;
    for (const Output& output : outputs) left("backup", by_backup_++, output);
  }
  void backup_goes_live(std::uint64_t made) {
    if (made < by_primary)
      fault(text(made, "was seen outside, and the backup goes live before it"));
  }
  void backup_publishes(std::uint64_t offset, ByteView bytes) {
    if (offset != published.size()) fault("the backup publishes at " + std::to_string(offset));
    published.append(bytes.begin(), bytes.end());
  }
  void fault(std::string what) {
    if (faults.size() < 20) faults.push_back(std::move(what));
  }
  [[nodiscard]] std::string fault_text() const {
    std::string all;
    for (const std::string& line : faults) all += line + "\n";
    return all;
  }
  [[nodiscard]] std::string console_text() const {
    std::string all;
    for (const Output& output : outside) {
      if (output.endpoint == Endpoint::kConsole)
        all.append(output.bytes.begin(), output.bytes.end());
    }
    return all;
  }

 private:
  static std::string text(std::uint64_t index, const char* what) {
    return "output " + std::to_string(index + 1) + " " + what;
  }
  void left(const char* node, std::uint64_t index, const Output& output) {
    if (index > outside.size()) {
      fault(std::string(node) + ": " + text(index, "left, one before it never did"));
    } else if (index == outside.size()) {
      outside.push_back(output);
    } else {
      ++repeats;
      if (outside[index] != output) fault(std::string(node) + ": " + text(index, "contradicts"));
    }
  }

  bool backup_spoke_ = false;
  std::uint64_t by_backup_ = 0;  // Index of its next output.
};

}  // namespace ftvm::test
