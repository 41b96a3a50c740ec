#include "ftcore/campaign/program_run.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "emulator/base/result.h"
#include "emulator/base/scoped_fd.h"

namespace ftvm::ftcore::campaign {
namespace {

constexpr int kSkippedExit = 77;
constexpr int kNoProgramExit = 127;
constexpr std::size_t kTailBytes = 4'096;
constexpr std::size_t kLineBytesMax = 300;

struct ProgramEnd {
  int exit = -1;
  bool timed_out = false;
  std::string last_line;
};

/// In the child; does not come back.
[[noreturn]] void become(const std::vector<std::string>& words, int output) {
  // Its processes are its group: what it started goes with it.
  (void)::setpgid(0, 0);
  (void)::prctl(PR_SET_PDEATHSIG, SIGTERM);
  (void)std::signal(SIGINT, SIG_DFL);
  (void)::dup2(output, STDOUT_FILENO);
  (void)::dup2(output, STDERR_FILENO);
  const int nothing = ::open("/dev/null", O_RDONLY);
  (void)::dup2(nothing, STDIN_FILENO);
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  (void)::execvp(argv[0], argv.data());
  const std::string why = words[0] + ": " + error_from_errno("cannot be started").message() + "\n";
  (void)!::write(STDERR_FILENO, why.data(), why.size());
  ::_exit(kNoProgramExit);
}

/// False when it is still there after so long.
bool wait_until_over(pid_t pid, std::int64_t seconds) {
  const ScopedFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pollfd ends{fd.get(), POLLIN, 0};
  return ::poll(&ends, 1, static_cast<int>(seconds * 1'000)) != 0;
}

std::string last_line_of(const std::string& path) {
  const ScopedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const off_t size = ::lseek(fd.get(), 0, SEEK_END);
  std::string tail(kTailBytes, '\0');
  const off_t from = std::max<off_t>(0, size - static_cast<off_t>(kTailBytes));
  const ssize_t got = ::pread(fd.get(), tail.data(), tail.size(), from);
  tail.resize(static_cast<std::size_t>(std::max<ssize_t>(0, got)));
  while (!tail.empty() && tail.back() == '\n') tail.pop_back();
  const std::size_t begin = tail.rfind('\n');
  if (begin != std::string::npos) tail.erase(0, begin + 1);
  return tail.substr(0, kLineBytesMax);
}

ProgramEnd run_program(const std::vector<std::string>& words, const std::string& output,
                       std::int64_t seconds_max) {
  ProgramEnd end;
  const ScopedFd fd(::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) return {.last_line = error_from_errno(output).message()};
  const pid_t pid = ::fork();
  if (pid < 0) return {.last_line = error_from_errno("fork").message()};
  if (pid == 0) become(words, fd.get());
  end.timed_out = !wait_until_over(pid, seconds_max);
  if (end.timed_out) (void)::kill(-pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  (void)::kill(-pid, SIGKILL);  // Whatever it left behind.
  end.exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  end.last_line = last_line_of(output);
  return end;
}

std::optional<std::int64_t> silence_in(const std::string& line) {
  constexpr std::string_view kName = "silence_ms=";
  const std::size_t at = line.find(kName);
  if (at == std::string::npos) return std::nullopt;
  std::int64_t ms = 0;
  const char* from = line.data() + at + kName.size();
  const auto [stopped, error] = std::from_chars(from, line.data() + line.size(), ms);
  if (error != std::errc() || ms < 0 || ms > 86'400'000) return std::nullopt;
  return ms;
}

}  // namespace

std::string filled_in(const std::string& text, std::uint64_t seed, const std::string& name,
                      const std::string& folder, const ProgramPlace& place) {
  const std::array<std::pair<std::string, std::string>, 5> names{{{"{seed}", std::to_string(seed)},
                                                                  {"{case}", name},
                                                                  {"{folder}", folder},
                                                                  {"{shared}", place.shared},
                                                                  {"{ftvm}", place.ftvm}}};
  std::string filled;
  for (std::size_t at = 0; at < text.size();) {
    bool found = false;
    for (const auto& [brace, value] : names) {
      if (text.compare(at, brace.size(), brace) != 0) continue;
      filled += value;
      at += brace.size();
      found = true;
      break;
    }
    if (!found) filled += text[at++];
  }
  return filled;
}

Verdict execute_program(const Plan& plan, std::uint64_t seed, const ProgramPlace& place) {
  const ProgramSpec& program = *plan.program;
  Verdict verdict{.seed = seed, .name = draw_case(plan, seed)};
  const std::string folder = place.shared + "/run-" + std::to_string(seed);
  (void)::mkdir(folder.c_str(), 0755);
  std::vector<std::string> words;
  words.reserve(program.command.size());
  for (const std::string& word : program.command) {
    words.push_back(filled_in(word, seed, verdict.name, folder, place));
  }
  const ProgramEnd end = run_program(words, folder + "/output", program.seconds_max);
  verdict.skipped = end.exit == kSkippedExit;
  if (const auto ms = silence_in(end.last_line)) {
    verdict.failed_over = true;
    verdict.silence_us = *ms * 1'000;
  }
  if (end.exit == 0 || verdict.skipped) {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
    return verdict;
  }
  const std::string rule = end.timed_out ? std::string(kEndsRule) : std::string(kProgramRule);
  const std::string how = end.timed_out
                              ? "did not end in " + std::to_string(program.seconds_max) + " s"
                              : "exit code " + std::to_string(end.exit);
  verdict.failure = Failure{seed, rule, verdict.name + ": " + how + ": " + end.last_line};
  return verdict;
}

}  // namespace ftvm::ftcore::campaign
