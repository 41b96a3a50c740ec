#include "ftcore/arbiter/arbiter.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "ftcore/arbiter/file_arbiter.h"

namespace ftvm::ftcore {
namespace {

constexpr std::string_view kFileScheme = "file:";
/// The option travels in the handshake, so it is bounded like any other text there.
constexpr std::size_t kArbiterPathBytesMax = 4000;

Error usage(std::string_view option, std::string_view what) {
  return Error(ErrorCode::kUsage, std::string(what))
      .context("arbiter '" + std::string(option) + "'");
}

}  // namespace

std::string_view arbiter_answer_name(ArbiterAnswer answer) {
  switch (answer) {
    case ArbiterAnswer::kWon:
      return "won";
    case ArbiterAnswer::kLost:
      return "lost";
    case ArbiterAnswer::kUnknown:
      return "unknown";
  }
  return "invalid";
}

std::string_view slot_answer_name(SlotAnswer answer) {
  switch (answer) {
    case SlotAnswer::kOpened:
      return "opened";
    case SlotAnswer::kTaken:
      return "taken";
    case SlotAnswer::kUnreachable:
      return "unreachable";
  }
  return "invalid";
}

Result<std::unique_ptr<Arbiter>> make_arbiter(std::string_view option) {
  if (!option.starts_with(kFileScheme)) {
    return usage(option, "unknown kind; use file:DIR, DIR on storage that both machines share");
  }
  const std::string_view directory = option.substr(kFileScheme.size());
  if (directory.empty()) return usage(option, "no directory; use file:DIR");
  if (directory.find('\0') != std::string_view::npos) return usage(option, "NUL in the directory");
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(directory, error);
  if (error) return usage(option, "cannot make the path absolute: " + error.message());
  std::string path = absolute.lexically_normal().string();
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (path.size() > kArbiterPathBytesMax) return usage(option, "the path is too long");
  return std::unique_ptr<Arbiter>(std::make_unique<FileArbiter>(std::move(path)));
}

}  // namespace ftvm::ftcore
