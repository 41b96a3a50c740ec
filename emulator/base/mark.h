// Marks name the paths a test must reach. A mark is known from the start of the program, whether it
// is ever passed or not, so a campaign can list the paths that nothing took.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace ftvm {

/// One counter in the list of all marks.
class Mark {
 public:
  explicit Mark(std::string_view name) noexcept : name_(name), next_(head_.load()) {
    while (!head_.compare_exchange_weak(next_, this)) {
    }
  }
  Mark(const Mark&) = delete;
  Mark& operator=(const Mark&) = delete;
  /// Threading: any thread. Counts are not ordered with anything else.
  void hit() noexcept { count_.fetch_add(1, std::memory_order_relaxed); }

 private:
  friend std::map<std::string, std::uint64_t> mark_counts();
  const std::string_view name_;
  std::atomic<std::uint64_t> count_{0};
  Mark* next_;  // Fixed once the mark is in the list.
  static constinit inline std::atomic<Mark*> head_{nullptr};
};

/// How often each mark of this program was passed, by name. Marks are diagnostics: neither state
/// nor digest. Threading: any thread.
inline std::map<std::string, std::uint64_t> mark_counts() {
  std::map<std::string, std::uint64_t> counts;
  for (const Mark* mark = Mark::head_.load(); mark != nullptr; mark = mark->next_) {
    counts.emplace(mark->name_, mark->count_.load(std::memory_order_relaxed));
  }
  return counts;
}

/// A string literal as a template argument.
template <std::size_t size>
struct MarkName {
  consteval MarkName(const char (&literal)[size]) {
    std::copy_n(literal, size, text);
  }  // NOLINT(google-explicit-constructor)
  char text[size]{};
};

/// The one mark of each name, made before main() because the program mentions it.
template <MarkName name>
struct NamedMark {
  static inline Mark mark{name.text};
};

}  // namespace ftvm

#define FTVM_MARK(name) ::ftvm::NamedMark<name>::mark.hit()
