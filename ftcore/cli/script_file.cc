#include "ftcore/cli/script_file.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "emulator/base/file.h"

namespace ftvm::cli {
namespace {

constexpr std::size_t kScriptBytesMax = std::size_t{1} << 20;
constexpr std::string_view kBlank = " \t\r";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
  return std::nullopt;
}

/// The byte that `\x...` stands for, taken off the front of `rest` (which begins behind the
/// backslash).
std::optional<char> take_escape(std::string_view& rest) {
  constexpr std::string_view kLetters = "nrte\\\"", kBytes = "\n\r\t\x1b\\\"";
  if (rest.empty()) return std::nullopt;
  const std::size_t known = kLetters.find(rest[0]);
  if (known != std::string_view::npos) {
    rest.remove_prefix(1);
    return kBytes[known];
  }
  if (rest[0] != 'x' || rest.size() < 3) return std::nullopt;
  const auto high = hex_digit(rest[1]), low = hex_digit(rest[2]);
  if (!high || !low) return std::nullopt;
  rest.remove_prefix(3);
  return static_cast<char>(*high * 16 + *low);
}

/// "..." and nothing behind it. Errors: kUsage.
Result<std::string> quoted(std::string_view text) {
  if (text.empty() || text[0] != '"') return Error(ErrorCode::kUsage, "expected a \"text\"");
  std::string out;
  for (text.remove_prefix(1); !text.empty();) {
    const char c = text[0];
    text.remove_prefix(1);
    if (c == '"') {
      if (!text.empty()) return Error(ErrorCode::kUsage, "something follows the text");
      return out;
    }
    if (c != '\\') {
      out += c;
      continue;
    }
    const auto byte = take_escape(text);
    if (!byte) return Error(ErrorCode::kUsage, "use \\n \\r \\t \\e \\\\ \\\" or \\xHH");
    out += *byte;
  }
  return Error(ErrorCode::kUsage, "the text has no closing quote");
}

Status take_line(std::string_view line, ScriptFile& script) {
  if (script.stops) return Error(ErrorCode::kUsage, "nothing may follow stop");
  const std::size_t word_end = std::min(line.find_first_of(kBlank), line.size());
  const std::string_view word = line.substr(0, word_end);
  const std::string_view rest = trimmed(line.substr(word_end));
  if (word == "stop") {
    if (!rest.empty()) return Error(ErrorCode::kUsage, "something follows stop");
    const bool waits = std::any_of(script.steps.begin(), script.steps.end(),
                                   [](const auto& step) { return !step.wait.empty(); });
    if (!waits) return Error(ErrorCode::kUsage, "stop needs a wait before it");
    script.stops = true;
    return {};
  }
  if (word == "wait") {
    std::string text = FTVM_TRY(quoted(rest));
    if (text.empty()) return Error(ErrorCode::kUsage, "the text to wait for is empty");
    script.steps.push_back({.wait = std::move(text), .send = {}});
    return {};
  }
  if (word == "send") {
    std::string text = FTVM_TRY(quoted(rest));
    const bool follows_wait = !script.steps.empty() && script.steps.back().send.empty();
    if (!follows_wait) script.steps.push_back({});
    script.steps.back().send = std::move(text);
    return {};
  }
  return Error(ErrorCode::kUsage, "a line is wait \"TEXT\", send \"TEXT\" or stop");
}

}  // namespace

Result<ScriptFile> parse_script(std::string_view text) {
  ScriptFile script;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line[0] == '#') continue;
    Status taken = take_line(line, script);
    if (!taken) return taken.error().context("line " + std::to_string(number));
  }
  return script;
}

Result<ScriptFile> read_script(const std::string& path) {
  auto bytes = read_file(path, kScriptBytesMax);
  if (!bytes) return bytes.error().context("--script");
  auto script = parse_script({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
  if (!script) return script.error().context("--script " + path);
  return script;
}

}  // namespace ftvm::cli
