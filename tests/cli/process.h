// A running `ftvm`, for tests that talk to it while it runs: what it printed so far, what is typed
// into it, signals. Waits for texts and ends, never for times. Header only.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "emulator/base/scoped_fd.h"
#include "tests/cli/run_ftvm.h"

namespace ftvm::test {

class Process {
 public:
  /// Starts `ftvm ARGS` with a pipe on each of the three standard descriptors.
  explicit Process(std::vector<std::string> args) : name_(args.empty() ? "ftvm" : args[0]) {
    std::signal(SIGPIPE, SIG_IGN);  // Typing into one that has ended is a failure, not a death.
    args.insert(args.begin(), FTVM_TEST_BINARY);
    std::vector<char*> argv;
    argv.reserve(args.size() + 1);
    for (std::string& arg : args) argv.push_back(arg.data());
    argv.push_back(nullptr);
    std::array<std::array<int, 2>, 3> pipes{};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (int fd = 0; fd < 3; ++fd) {
      EXPECT_EQ(::pipe2(pipes[fd].data(), O_CLOEXEC), 0);
      posix_spawn_file_actions_adddup2(&actions, pipes[fd][fd == 0 ? 0 : 1], fd);
    }
    EXPECT_EQ(::posix_spawn(&child_, argv[0], &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    for (int fd = 0; fd < 3; ++fd) {
      ::close(pipes[fd][fd == 0 ? 0 : 1]);
      ours_[fd].reset(pipes[fd][fd == 0 ? 1 : 0]);
    }
  }
  ~Process() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] const std::string& out() const { return text_[1]; }
  [[nodiscard]] const std::string& err() const { return text_[2]; }

  /// Until standard output (or standard error) holds `text`. False, and a failure, when the process
  /// ends or a minute passes without it.
  bool prints(const std::string& text) { return reaches(1, text); }
  bool complains(const std::string& text) { return reaches(2, text); }

  void type(const std::string& text) const {
    EXPECT_EQ(::write(ours_[0].get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void close_input() { ours_[0].reset(); }
  void signal(int number) const { ::kill(child_, number); }

  /// Reads everything it still prints, and waits for its end.
  Ran wait() {
    if (!pump([this] { return !ours_[1] && !ours_[2]; })) {
      ADD_FAILURE() << name_ << " does not end; it printed\n" << out() << err();
      ::kill(child_, SIGKILL);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(std::exchange(child_, 0), &status, 0) > 0, true);
    return {.exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            .out = out(),
            .err = err()};
  }

 private:
  static constexpr int kPatienceMs = 60'000;

  bool reaches(int fd, const std::string& text) {
    const bool found =
        pump([&] { return text_[fd].find(text) != std::string::npos || !ours_[fd]; }) &&
        text_[fd].find(text) != std::string::npos;
    EXPECT_TRUE(found) << name_ << " never printed \"" << text << "\" but\n" << out() << err();
    return found;
  }

  /// Reads both outputs until `done`; false when a minute passed before.
  bool pump(const std::function<bool()>& done) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
    while (!done()) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          until - std::chrono::steady_clock::now());
      std::array<pollfd, 2> fds{{{ours_[1] ? ours_[1].get() : -1, POLLIN, 0},
                                 {ours_[2] ? ours_[2].get() : -1, POLLIN, 0}}};
      if (left.count() <= 0 ||
          ::poll(fds.data(), fds.size(), static_cast<int>(left.count())) == 0) {
        return false;
      }
      for (std::size_t i = 0; i < fds.size(); ++i) {
        if (fds[i].revents != 0) read_some(static_cast<int>(i) + 1);
      }
    }
    return true;
  }
  void read_some(int fd) {
    std::array<char, 65536> buffer{};
    const ssize_t size = ::read(ours_[fd].get(), buffer.data(), buffer.size());
    if (size > 0) {
      text_[fd].append(buffer.data(), static_cast<std::size_t>(size));
    } else {
      ours_[fd].reset();
    }
  }

  std::string name_;
  pid_t child_ = 0;
  std::array<ScopedFd, 3> ours_;
  std::array<std::string, 3> text_;
};

/// Arguments of a machine that is the guest of tiny.S in `mode`, one of its letters.
inline std::vector<std::string> tiny_guest(const std::string& command, const std::string& mode,
                                           std::vector<std::string> more = {}) {
  std::vector<std::string> args{command, "--kernel", FTVM_TINY_GUEST, "--command-line", mode,
                                "--ram", "64"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

}  // namespace ftvm::test
