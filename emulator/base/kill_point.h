// Kill points name the places where a test lets a process die, as a power cut would: at once, with
// nothing flushed. They exist only in builds with FTVM_TEST_POINTS; anywhere else they are nothing.
//
//   FTVM_KILL_AT=arbiter.link_to_read      dies at the first pass of that point
//   FTVM_KILL_AT=arbiter.link_to_read:3    dies at the third
//
// Not for faults a process survives: those are injected through the interfaces.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#ifdef FTVM_TEST_POINTS
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#endif

namespace ftvm {

#ifdef FTVM_TEST_POINTS
inline constexpr bool kKillPointsCompiledIn = true;
#else
inline constexpr bool kKillPointsCompiledIn = false;
#endif

/// What FTVM_KILL_AT asks for.
struct KillRequest {
  std::string name;
  std::uint64_t count = 1;  // Range: at least 1.
  bool operator==(const KillRequest&) const = default;
};

/// Reads "name" or "name:count"; nothing when it is neither.
inline std::optional<KillRequest> parse_kill_request(std::string_view text) {
  constexpr std::size_t kCountDigitsMax = 18;  // Fits std::uint64_t without a check.
  const std::size_t colon = text.find(':');
  KillRequest request{std::string(text.substr(0, colon)), 1};
  if (request.name.empty()) return std::nullopt;
  if (colon == std::string_view::npos) return request;
  const std::string_view digits = text.substr(colon + 1);
  if (digits.empty() || digits.size() > kCountDigitsMax) return std::nullopt;
  request.count = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    request.count = request.count * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (request.count == 0) return std::nullopt;
  return request;
}

#ifdef FTVM_TEST_POINTS
/// Kills this process when the environment asks for it here and now. A request that cannot be read
/// aborts: a test that silently kills nothing would pass. Threading: any thread.
inline void pass_kill_point(std::string_view name) {
  static const std::optional<KillRequest> request = []() -> std::optional<KillRequest> {
    const char* text = std::getenv("FTVM_KILL_AT");
    if (text == nullptr || *text == '\0') return std::nullopt;
    std::optional<KillRequest> parsed = parse_kill_request(text);
    if (!parsed) {
      std::fprintf(stderr, "FTVM_KILL_AT is '%s'; use name or name:count\n", text);
      std::abort();
    }
    return parsed;
  }();
  static std::atomic<std::uint64_t> passes{0};  // Of the one point that is asked for.
  if (!request || request->name != name) return;
  if (passes.fetch_add(1) + 1 == request->count) std::raise(SIGKILL);
}
#endif

}  // namespace ftvm

#ifdef FTVM_TEST_POINTS
#define FTVM_KILL_POINT(name) ::ftvm::pass_kill_point(name)
#else
#define FTVM_KILL_POINT(name) \
  do {                        \
  } while (false)
#endif
