// An identity field by field, for people, for JSON and for the difference of two.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "replay/record.h"

namespace ftvm::cli {

struct NamedText {
  std::string name;
  std::string text;
  bool operator==(const NamedText&) const = default;
};

/// Every field in the order of the struct; texts are ASCII of one line.
std::vector<NamedText> identity_texts(const replay::MachineIdentity& identity);

/// Bytes from anywhere as ASCII of one line: \n, \\ and \xHH stand for what is not printable.
std::string one_line(std::string_view bytes);

}  // namespace ftvm::cli
