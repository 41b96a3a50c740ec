// What the tests of transport and arbiter share: names, a folder of their own, processes, and
// waiting on descriptors. A wait has a limit only so that a broken test ends.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <utility>

#include "emulator/base/scoped_fd.h"
#include "ftcore/protocol/message.h"

namespace ftvm::ftcore {

inline constexpr int kWaitMs = 20'000;

/// The n-th of a series of names; never zero.
inline Uuid test_uuid(std::uint8_t n) {
  Uuid uuid;
  for (std::size_t i = 0; i < uuid.bytes.size(); ++i) {
    uuid.bytes[i] = static_cast<std::uint8_t>(n + 17 * i + 1);
  }
  return uuid;
}

/// Where fsync(2) costs nothing, for tests that call it thousands of times.
inline std::string memory_folder() {
  return ::access("/dev/shm", W_OK) == 0 ? "/dev/shm/" : ::testing::TempDir();
}

/// A folder that goes away with the test.
class TempDir {
 public:
  explicit TempDir(const std::string& parent = ::testing::TempDir())
      : path_(parent + "ftvm_ftcore_XXXXXX") {
    EXPECT_NE(::mkdtemp(path_.data()), nullptr);
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}
inline std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// True when the descriptor became readable in time.
inline bool wait_readable(int fd, int timeout_ms = kWaitMs) {
  pollfd item{fd, POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&item, 1, timeout_ms);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

/// Polls `source` (anything with descriptor() and poll() or receive()) until it has something.
template <class Take>
auto wait_for_next(int fd, Take&& take) -> decltype(take()) {
  for (int tries = 0; tries < 1000; ++tries) {
    if (auto item = take()) return item;
    if (!wait_readable(fd)) break;
  }
  return {};
}

/// Runs `work` in a process of its own and returns what it returned; "died" when it did.
inline std::string in_child(const std::function<std::string()>& work) {
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  ScopedFd from(ends[0]);
  ScopedFd to(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string text = work();
    const bool written =
        ::write(to.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::_exit(written ? 0 : 1);
  }
  to.reset();
  std::string text;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(from.get(), buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? text : "died";
}

}  // namespace ftvm::ftcore
