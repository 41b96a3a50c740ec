// Consoles on pipes, a pseudo-terminal and sockets, with real descriptors.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "devices/host/socket_console.h"
#include "devices/host/stdio_console.h"
#include "devices/host/terminal_mode.h"
#include "emulator/base/file.h"
#include "emulator/base/scoped_fd.h"
#include "tests/unit/devices/host_test_support.h"

namespace ftvm::devices::host {
namespace {

struct Pipe {
  Pipe() {
    int fds[2];
    EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    out.reset(fds[0]);
    in.reset(fds[1]);
  }
  ScopedFd out, in;
};

void put(int fd, std::string_view text) {
  ASSERT_TRUE(write_all(fd, bytes_of(text)));
}

/// Reads until `text` is complete, or the end.
std::string get(int fd, std::size_t size) {
  std::string text;
  while (text.size() < size) {
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 60'000) <= 0) return text + " (timeout)";
    char buffer[4096];
    const ssize_t got = ::read(fd, buffer, std::min(sizeof buffer, size - text.size()));
    if (got <= 0) return text + " (end)";
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return text;
}

std::string take(ConsoleEndpoint& console, std::size_t size) {
  Bytes typed;
  EXPECT_TRUE(eventually([&] {
    console.take_input(typed, size - typed.size());
    return typed.size() == size;
  }));
  return text_of(typed);
}

TEST(StdioConsole, PassesAPipeThroughByteForByte) {
  Pipe in, out;
  StdioConsole console({.in_fd = in.out.get(), .out_fd = out.in.get()});
  put(in.in.get(), "a\x01x\r\nb");  // In a pipe the escape key is a byte like any other.
  EXPECT_EQ(take(console, 6), "a\x01x\r\nb");
  console.write(0, bytes_of("guest says hi\n"));
  EXPECT_EQ(get(out.out.get(), 14), "guest says hi\n");
}

TEST(StdioConsole, WritesEverythingBeforeItIsGone) {
  Pipe in, out;
  std::string text(3'000'000, '.');
  for (std::size_t i = 0; i < text.size(); i += 1000)
    text[i] = static_cast<char>('a' + i / 1000 % 26);
  std::string got;
  std::thread reader([&] { got = get(out.out.get(), text.size()); });
  {
    StdioConsole console({.in_fd = in.out.get(), .out_fd = out.in.get()});
    console.write(0, bytes_of(text));
    EXPECT_EQ(console.dropped_bytes(), 0u);
  }
  reader.join();
  EXPECT_TRUE(got == text);
}

TEST(StdioConsole, NeverWaitsForAReaderAndCountsWhatItDrops) {
  Pipe in, out;
  StdioConsole console(
      {.in_fd = in.out.get(), .out_fd = out.in.get(), .output_bytes_max = 100'000});
  const Bytes piece(10'000, 'x');
  for (std::uint64_t i = 0; i < 100; ++i) console.write(i * piece.size(), piece);
  EXPECT_GE(console.dropped_bytes(), 500'000u);
  out.out.reset();  // The reader goes away, which is no reason to end either.
  console.write(0, piece);
}

TEST(StdioConsole, HoldsAScriptBackUntilTheGuestReadsIt) {
  Pipe in, out;
  StdioConsole console({.in_fd = in.out.get(), .out_fd = out.in.get()});
  std::string text;
  for (int i = 0; i < 40'000; ++i) text += std::to_string(i) + "\n";
  std::thread typist([&] {
    put(in.in.get(), text);
    in.in.reset();
  });
  EXPECT_TRUE(take(console, text.size()) == text);
  typist.join();
}

TEST(StdioConsole, WakesTheGuestWhenSomethingIsTyped) {
  Pipe in, out;
  StdioConsole console({.in_fd = in.out.get(), .out_fd = out.in.get()});
  std::atomic<int> woken{0};
  console.set_wakeup([&] { ++woken; });
  put(in.in.get(), "x");
  EXPECT_TRUE(eventually([&] { return woken.load() > 0; }));
  console.set_wakeup(nullptr);
}

/// A pseudo-terminal: `user` is the keyboard and the screen, `tty` what a program gets.
struct Terminal {
  Terminal() : user(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    EXPECT_EQ(::grantpt(user.get()), 0);
    EXPECT_EQ(::unlockpt(user.get()), 0);
    tty.reset(::open(::ptsname(user.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
    EXPECT_GE(tty.get(), 0);
  }
  [[nodiscard]] bool raw() const {
    termios mode{};
    EXPECT_EQ(::tcgetattr(tty.get(), &mode), 0);
    return (mode.c_lflag & (ICANON | ECHO | ISIG)) == 0;
  }
  ScopedFd user, tty;
};

TEST(StdioConsole, MakesATerminalRawAndGivesItBack) {
  Terminal terminal;
  EXPECT_FALSE(terminal.raw());
  {
    std::atomic<bool> quit{false};
    StdioConsole console({.in_fd = terminal.tty.get(),
                          .out_fd = terminal.tty.get(),
                          .on_quit = [&] { quit.store(true); }});
    EXPECT_TRUE(terminal.raw());
    put(terminal.user.get(), "\x03\x01\x01z");  // Ctrl-C belongs to the guest.
    EXPECT_EQ(take(console, 3), "\x03\x01z");
    console.write(0, bytes_of("out\n"));
    EXPECT_EQ(get(terminal.user.get(), 5), "out\r\n");
    put(terminal.user.get(), "\x01x");
    EXPECT_TRUE(eventually([&] { return quit.load(); }));
  }
  EXPECT_FALSE(terminal.raw());
}

TEST(TerminalMode, GivesTheTerminalBackWhateverEndsTheProcess) {
  for (const int last : {SIGTERM, SIGHUP, SIGABRT, 0}) {
    Terminal terminal;
    Pipe ready;
    const pid_t child = ::fork();
    if (child == 0) {
      // A test framework's or sanitizer's handlers would be left alone.
      for (const int s : {SIGTERM, SIGHUP, SIGABRT}) ::signal(s, SIG_DFL);
      const TerminalMode mode(terminal.tty.get());
      const char ok = mode.raw() ? 'y' : 'n';
      if (::write(ready.in.get(), &ok, 1) != 1) ::_exit(1);
      if (last == 0) ::exit(0);
      ::raise(last);
      ::_exit(2);
    }
    EXPECT_EQ(get(ready.out.get(), 1), "y");
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    if (last == 0) {
      EXPECT_TRUE(WIFEXITED(status));
    } else {
      EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == last) << "signal " << last;
    }
    EXPECT_FALSE(terminal.raw()) << "signal " << last;
  }
}

std::unique_ptr<SocketConsole> listen_anywhere(std::size_t output_bytes_max = 256 << 10) {
  auto console = SocketConsole::create(
      {.address = {.host = "127.0.0.1"}, .output_bytes_max = output_bytes_max});
  EXPECT_TRUE(console) << console.error().message();
  return *std::move(console);
}

/// A blocking client of a console.
ScopedFd dial(const SocketAddress& address) {
  Result<ScopedFd> fd = connect_to(address);
  EXPECT_TRUE(fd) << fd.error().message();
  ::fcntl(fd->get(), F_SETFL, ::fcntl(fd->get(), F_GETFL) & ~O_NONBLOCK);
  pollfd waiting{.fd = fd->get(), .events = POLLOUT, .revents = 0};
  EXPECT_EQ(::poll(&waiting, 1, 60'000), 1);
  return *std::move(fd);
}

TEST(SocketConsole, IsARawConsoleForOneClient) {
  const auto console = listen_anywhere();
  console->write(0, bytes_of("boot messages"));
  const ScopedFd client = dial(console->address());
  EXPECT_EQ(get(client.get(), 13), "boot messages");
  put(client.get(), "ls\n");
  EXPECT_EQ(take(*console, 3), "ls\n");
  console->write(13, bytes_of("files"));
  EXPECT_EQ(get(client.get(), 5), "files");
}

TEST(SocketConsole, TellsASecondClientThatItIsBusyAndServesTheNextOne) {
  const auto console = listen_anywhere();
  console->write(0, bytes_of("x"));
  ScopedFd first = dial(console->address());
  EXPECT_EQ(get(first.get(), 1), "x");
  const ScopedFd second = dial(console->address());
  EXPECT_EQ(get(second.get(), 6), "ftvm: ");
  EXPECT_NE(get(second.get(), 1000).find("(end)"), std::string::npos);
  first.reset();
  // The console may notice the end of the first client a moment later.
  std::string answer;
  EXPECT_TRUE(eventually([&] {
    const ScopedFd third = dial(console->address());
    console->write(1, bytes_of("y"));
    answer = get(third.get(), 1);
    return answer == "y";
  }));
}

TEST(SocketConsole, CutsAClientThatNeverReadsAndServesAnother) {
  const auto console = listen_anywhere(64 << 10);
  const ScopedFd deaf = dial(console->address());
  std::uint64_t offset = 0;
  const Bytes piece(32 << 10, 'z');
  EXPECT_TRUE(eventually([&] {
    for (int i = 0; i < 20; ++i, offset += piece.size()) console->write(offset, piece);
    const ScopedFd next = dial(console->address());
    return get(next.get(), 1) == "z";
  }));
  EXPECT_GT(console->dropped_bytes(), 0u);
}

TEST(SocketConsole, AUnixSocketIsPrivateAndLeavesNoFile) {
  char folder[] = "/tmp/ftvm_console_XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/console";
  for (int round = 0; round < 2; ++round) {
    auto console =
        SocketConsole::create({.address = {.kind = SocketAddress::Kind::kUnix, .path = path}});
    ASSERT_TRUE(console) << console.error().message();
    const ScopedFd client = dial((*console)->address());
    (*console)->write(0, bytes_of("hi"));
    EXPECT_EQ(get(client.get(), 2), "hi");
    EXPECT_FALSE(SocketConsole::create({.address = (*console)->address()})) << "it is in use";
  }
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
  EXPECT_EQ(::rmdir(folder), 0);
}

}  // namespace
}  // namespace ftvm::devices::host
