// A TOML table of which each key is asked for once; what nobody asked for is unknown. The first
// thing that is wrong is kept, with its line and column; reading goes on, to no harm.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emulator/base/result.h"
#include "ftcore/campaign/plan.h"

namespace ftvm::ftcore::campaign {

/// The first thing that is wrong, and where.
class Problem {
 public:
  explicit Problem(std::string path) : path_(std::move(path)) {}
  void at(const toml::source_region& source, const std::string& field, const std::string& what) {
    if (first_) return;
    first_ = Error(ErrorCode::kUsage, path_ + ":" + std::to_string(source.begin.line) + ":" +
                                          std::to_string(source.begin.column) + ": " + field +
                                          ": " + what);
  }
  [[nodiscard]] const std::optional<Error>& first() const { return first_; }

 private:
  std::string path_;
  std::optional<Error> first_;
};

inline std::string text_of(Range range) {
  return std::to_string(range.least) + " to " + std::to_string(range.most);
}

template <class Names>
std::string joined(const Names& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

class TomlReader {
 public:
  TomlReader(const toml::table& table, std::string where, Problem& problem)
      : table_(table), where_(std::move(where)), problem_(problem) {}

  const toml::node* find(std::string_view key) {
    asked_.insert(std::string(key));
    return table_.get(key);
  }
  void wrong(const toml::node& node, std::string_view key, const std::string& what) {
    problem_.at(node.source(), where_ + std::string(key), what);
  }
  void finish() {
    for (const auto& [key, node] : table_) {
      if (asked_.contains(std::string(key.str()))) continue;
      problem_.at(key.source(), where_ + std::string(key.str()),
                  "no such field; there are " + joined(asked_));
    }
  }

  // Each leaves its value as it was when the key is not there.

  void operator()(std::string_view key, Range& range, Range bounds) {
    if (const toml::node* node = find(key)) range = range_of(*node, key, bounds);
  }
  void operator()(std::string_view key, std::optional<Range>& range, Range bounds) {
    if (const toml::node* node = find(key)) range = range_of(*node, key, bounds);
  }
  template <class Number>
  void number(std::string_view key, Number& value, Range bounds) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const auto number = node->value_exact<std::int64_t>();
    if (!number || *number < bounds.least || *number > bounds.most) {
      return wrong(*node, key, "must be a number from " + text_of(bounds));
    }
    value = static_cast<Number>(*number);
  }
  /// One text, or a list of some.
  void texts(std::string_view key, const std::function<void(const std::string&)>& take) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const auto one = [&](const toml::node& each) {
      const auto text = each.value_exact<std::string>();
      if (!text) return wrong(each, key, "must be a text, or a list of texts");
      place_ = &each;
      take(*text);
    };
    const toml::array* list = node->as_array();
    if (list == nullptr) return one(*node);
    if (list->empty()) return wrong(*node, key, "must not be empty");
    for (const toml::node& each : *list) one(each);
  }
  /// Of names: `value_of` has none for what is not one.
  template <class Value, class ValueOf, class Names>
  void choices(std::string_view key, std::vector<Value>& values, const ValueOf& value_of,
               const Names& names) {
    std::vector<Value> chosen;
    texts(key, [&](const std::string& text) {
      const std::optional<Value> value = value_of(text);
      if (value) return chosen.push_back(*value);
      wrong(*place_, key, "'" + text + "' is none of " + joined(names));
    });
    if (!chosen.empty()) values = std::move(chosen);
  }
  /// Calls `read` with the table there, if there is one.
  void table(std::string_view key, const std::function<void(TomlReader&)>& read) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    if (!node->is_table()) return wrong(*node, key, "must be a table");
    TomlReader inner(*node->as_table(), where_ + std::string(key) + ".", problem_);
    read(inner);
    inner.finish();
  }
  /// The same for each of a list of tables.
  void tables(std::string_view key, std::size_t most,
              const std::function<void(TomlReader&)>& read) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const toml::array* list = node->as_array();
    if (list == nullptr || list->size() > most) {
      return wrong(*node, key, "must be a list of at most " + std::to_string(most) + " tables");
    }
    for (std::size_t i = 0; i < list->size(); ++i) {
      const toml::table* each = (*list)[i].as_table();
      if (each == nullptr) return wrong((*list)[i], key, "must be a list of tables");
      TomlReader inner(*each, where_ + std::string(key) + " " + std::to_string(i + 1) + ": ",
                       problem_);
      read(inner);
      inner.finish();
    }
  }

 private:
  Range range_of(const toml::node& node, std::string_view key, Range bounds) {
    const auto in_bounds = [&](const toml::node& each) {
      const auto value = each.value_exact<std::int64_t>();
      return value && *value >= bounds.least && *value <= bounds.most ? value : std::nullopt;
    };
    if (const auto value = in_bounds(node)) return only(*value);
    const toml::array* both = node.as_array();
    if (both != nullptr && both->size() == 2) {
      const auto least = in_bounds((*both)[0]);
      const auto most = in_bounds((*both)[1]);
      if (least && most && *least <= *most) return {*least, *most};
    }
    wrong(node, key, "must be a number, or two as [least, most], from " + text_of(bounds));
    return bounds;
  }

  const toml::table& table_;
  const std::string where_;
  Problem& problem_;
  std::set<std::string> asked_;
  const toml::node* place_ = nullptr;  // Of the text that is being taken.
};

}  // namespace ftvm::ftcore::campaign
