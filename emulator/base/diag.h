// Diagnostics: structured events, one JSON line each, on a descriptor chosen by the user. They
// never change the state of a run and are kept off the guest's hot path. Names are `noun.verb`,
// stable, listed in docs/diag.md.
//
// {"level":"warn","event":"failover.begin","node":"a","epoch":3}
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace ftvm {

enum class DiagLevel : std::uint8_t { kDebug, kInfo, kWarn, kError };

/// Longest line, newline included: what one write to a pipe keeps in one piece (PIPE_BUF). A value
/// that does not fit is cut, later keys are left out, and the line says `"cut":true`.
inline constexpr std::size_t kDiagLineBytesMax = 4096;
/// How many finished lines are kept for the message of a failed assertion.
inline constexpr std::size_t kDiagRecentLines = 32;

/// One event under construction; written when it goes out of scope. Errors: none; a line that can
/// not be written is lost. Threading: any thread; a line is written with one write(2), so lines of
/// several threads never mix.
class DiagEvent {
 public:
  DiagEvent(DiagLevel level, std::string_view name) noexcept;
  ~DiagEvent();
  DiagEvent(const DiagEvent&) = delete;
  DiagEvent& operator=(const DiagEvent&) = delete;

  template <std::integral Integer>
  DiagEvent& kv(std::string_view key, Integer value) noexcept {
    if constexpr (std::same_as<Integer, bool>) {
      return boolean(key, value);
    } else if constexpr (std::signed_integral<Integer>) {
      return number(key, static_cast<std::int64_t>(value));
    } else {
      return number(key, static_cast<std::uint64_t>(value));
    }
  }
  /// Bytes that are not UTF-8 become U+FFFD.
  DiagEvent& kv(std::string_view key, std::string_view value) noexcept;

 private:
  DiagEvent& boolean(std::string_view key, bool value) noexcept;
  DiagEvent& number(std::string_view key, std::int64_t value) noexcept;
  DiagEvent& number(std::string_view key, std::uint64_t value) noexcept;
  DiagEvent& raw(std::string_view key, std::string_view json) noexcept;
  bool append(std::string_view text) noexcept;
  bool append_quoted(std::string_view text) noexcept;
  bool append_key(std::string_view key) noexcept;

  const DiagLevel level_;
  const bool enabled_;
  bool cut_ = false;
  std::size_t size_ = 0;
  std::array<char, kDiagLineBytesMax> line_;  // Only the first size_ bytes mean something.
};

/// Where lines go and from which level on. Defaults: no descriptor (-1), kInfo. Lines from that
/// level on are also kept for diag_write_recent, whatever the descriptor.
/// Threading: call once before other threads start; `node` is put into every line.
void diag_configure(int fd, DiagLevel from, std::string node);

/// Test hook: sees every finished line (without its newline) whatever the level; pass nullptr to
/// remove. Threading: one call at a time; the observer emits no diagnostics itself.
void diag_observe(std::function<void(DiagLevel, std::string_view line)> observer);

/// Writes the last kDiagRecentLines lines, oldest first. Threading: any thread.
void diag_write_recent(int fd) noexcept;

}  // namespace ftvm

#define FTVM_DIAG(level, name) ::ftvm::DiagEvent(::ftvm::DiagLevel::level, name)
