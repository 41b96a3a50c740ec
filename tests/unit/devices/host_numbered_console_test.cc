// The numbered console with its real sockets, threads and client on loopback.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "devices/host/numbered_console.h"
#include "devices/host/numbered_console_client.h"
#include "emulator/base/file.h"
#include "tests/unit/devices/host_test_support.h"

namespace ftvm::devices::host {
namespace {

std::unique_ptr<NumberedConsole> serve_on(std::uint16_t port = 0) {
  auto console = NumberedConsole::create(
      {.address = {.host = "127.0.0.1", .port = port}, .hub = {.pair = "p"}});
  EXPECT_TRUE(console) << console.error().message();
  return *std::move(console);
}

/// `ftvm console` in a thread, with pipes for keyboard, screen and messages.
class Client {
 public:
  explicit Client(std::vector<SocketAddress> nodes, bool quit_at_eof = false) {
    int fds[2];
    EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    in_out_.reset(fds[0]), keyboard_.reset(fds[1]);
    EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    screen_.reset(fds[0]), out_in_.reset(fds[1]);
    EXPECT_EQ(::pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    messages_.reset(fds[0]), message_in_.reset(fds[1]);
    thread_ = std::thread([this, quit_at_eof, nodes = std::move(nodes)] {
      result_.emplace(run_console_client({.nodes = nodes,
                                          .in_fd = in_out_.get(),
                                          .out_fd = out_in_.get(),
                                          .message_fd = message_in_.get(),
                                          .verbose = true,
                                          .quit_at_eof = quit_at_eof,
                                          .quit = &quit_}));
      done_.store(true);
    });
  }
  ~Client() {
    quit_.notify();
    if (thread_.joinable()) thread_.join();
  }
  void type(std::string_view text) { ASSERT_TRUE(write_all(keyboard_.get(), bytes_of(text))); }
  void close_keyboard() { keyboard_.reset(); }
  std::string read(std::size_t size) {
    std::string text;
    while (text.size() < size) {
      pollfd waiting{.fd = screen_.get(), .events = POLLIN, .revents = 0};
      if (::poll(&waiting, 1, 60'000) <= 0) return text + " (timeout)";
      char buffer[4096];
      const ssize_t got =
          ::read(screen_.get(), buffer, std::min(sizeof buffer, size - text.size()));
      if (got <= 0) return text + " (end)";
      text.append(buffer, static_cast<std::size_t>(got));
    }
    return text;
  }
  bool told(std::string_view text) {
    return eventually([&] {
      char buffer[4096];
      const ssize_t got = ::read(messages_.get(), buffer, sizeof buffer);
      if (got > 0) told_.append(buffer, static_cast<std::size_t>(got));
      return told_.find(text) != std::string::npos;
    });
  }
  [[nodiscard]] bool done() const { return done_.load(); }
  Result<ConsoleClientResult> result() {
    thread_.join();
    return *result_;
  }

 private:
  ScopedFd in_out_, keyboard_, screen_, out_in_, messages_, message_in_;
  std::string told_;
  WakeEvent quit_;
  std::optional<Result<ConsoleClientResult>> result_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

std::string take(NumberedConsole& console, std::size_t size) {
  Bytes typed;
  EXPECT_TRUE(eventually([&] {
    console.take_input(typed, size - typed.size());
    return typed.size() == size;
  }));
  return text_of(typed);
}

TEST(NumberedConsole, IsAConsole) {
  const auto node = serve_on();
  node->set_live(Epoch{0});
  std::atomic<int> woken{0};
  node->set_wakeup([&] { ++woken; });
  node->publish(0, bytes_of("login: "));
  Client client({node->address()});
  EXPECT_EQ(client.read(7), "login: ");
  client.type("root\n");
  EXPECT_EQ(take(*node, 5), "root\n");
  EXPECT_GT(woken.load(), 0);
  node->confirm_input(5);
  node->publish(7, bytes_of("# "));
  EXPECT_EQ(client.read(2), "# ");
  EXPECT_TRUE(eventually([&] { return node->confirmed_output() == 9; }));
  node->set_wakeup(nullptr);
}

TEST(NumberedConsole, AFailoverLosesAndDoublesNothing) {
  auto first = serve_on();
  const auto second = serve_on();
  first->set_live(Epoch{1});
  Client client({first->address(), second->address()});
  first->publish(0, bytes_of("one "));
  second->publish(0, bytes_of("one two "));  // Computed, not yet released.
  EXPECT_EQ(client.read(4), "one ");
  client.type("abc");
  EXPECT_EQ(take(*first, 3), "abc");
  first->confirm_input(2);
  client.type("d");
  EXPECT_EQ(take(*first, 1), "d");  // Never confirmed: it dies with its node.
  first.reset();
  second->set_input_expected(2);
  second->set_live(Epoch{2});
  EXPECT_EQ(client.read(4), "two ");
  EXPECT_EQ(take(*second, 2), "cd");
  EXPECT_TRUE(client.told("[failover: now " + to_string(second->address()) + ", epoch 2"));
  second->publish(8, bytes_of("bye"));
  second->end(EndReason::kPowerOff);
  EXPECT_EQ(client.read(3), "bye");
  const auto result = client.result();
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(result->ended, EndReason::kPowerOff);
  EXPECT_EQ(result->next_output, 11u);
}

TEST(NumberedConsole, TheEndReachesTheClientEvenIfTheNodeGoesAtOnce) {
  for (int round = 0; round < 20; ++round) {
    auto node = serve_on();
    node->set_live(Epoch{0});
    Client client({node->address()});
    node->publish(0, bytes_of("x"));
    EXPECT_EQ(client.read(1), "x");
    const Bytes last(100'000, 'y');
    node->publish(1, last);
    node->end(EndReason::kDebugExit);
    std::thread closer([&] { node.reset(); });
    EXPECT_EQ(client.read(last.size()), text_of(last));
    const auto result = client.result();
    closer.join();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->ended, EndReason::kDebugExit);
  }
}

TEST(NumberedConsole, AScriptInAPipeIsTypedCompletelyAndThenTheClientEnds) {
  const auto node = serve_on();
  node->set_live(Epoch{0});
  Client client({node->address()}, true);
  std::string script;
  for (int i = 0; i < 30'000; ++i) script += std::to_string(i) + "\n";
  std::thread typist([&] {
    client.type(script);
    client.close_keyboard();
  });
  std::string guest;
  EXPECT_TRUE(eventually([&] {
    Bytes typed;
    node->take_input(typed, 1000);
    guest += text_of(typed);
    node->confirm_input(guest.size());
    return guest.size() == script.size();
  }));
  typist.join();
  EXPECT_TRUE(guest == script);
  EXPECT_TRUE(eventually([&] { return client.done(); }));
}

TEST(NumberedConsole, AClientWaitsForANodeThatIsNotThereYet) {
  auto node = serve_on();
  const SocketAddress address = node->address();
  node.reset();
  Client client({address});
  node = serve_on(address.port);
  node->set_live(Epoch{1});
  node->publish(0, bytes_of("hello"));
  EXPECT_EQ(client.read(5), "hello");
}

/// A socket that speaks no protocol.
ScopedFd dial(const SocketAddress& address) {
  Result<ScopedFd> fd = connect_to(address);
  EXPECT_TRUE(fd) << fd.error().message();
  ::fcntl(fd->get(), F_SETFL, ::fcntl(fd->get(), F_GETFL) & ~O_NONBLOCK);
  pollfd waiting{.fd = fd->get(), .events = POLLOUT, .revents = 0};
  EXPECT_EQ(::poll(&waiting, 1, 60'000), 1);
  return *std::move(fd);
}

bool closed_by_peer(int fd) {
  return eventually([&] {
    char buffer[4096];
    return ::recv(fd, buffer, sizeof buffer, 0) <= 0;
  });
}

TEST(NumberedConsole, GarbageAndDeafClientsHarmNobody) {
  const auto node = serve_on();
  node->set_live(Epoch{0});
  Client client({node->address()});
  node->publish(0, bytes_of("a"));
  EXPECT_EQ(client.read(1), "a");

  const ScopedFd garbage = dial(node->address());
  ASSERT_TRUE(write_all(garbage.get(), bytes_of("GET / HTTP/1.1\r\n\r\n")));
  EXPECT_TRUE(closed_by_peer(garbage.get()));

  const ScopedFd deaf = dial(node->address());
  ByteFifo hello;
  encode(ConsoleHello{.client_id = 1}, hello);
  ASSERT_TRUE(write_all(deaf.get(), hello.view()));
  // What the kernel buffers is some MiB at most; the client in good order reads along.
  std::uint64_t offset = 1;
  const Bytes piece(256 << 10, 'z');
  std::string got;
  for (int i = 0; i < 60; ++i) {
    node->publish(offset, piece);
    offset += piece.size();
    got += client.read(piece.size());
  }
  EXPECT_EQ(got.find_first_not_of('z'), std::string::npos);
  EXPECT_TRUE(closed_by_peer(deaf.get()));
  EXPECT_TRUE(eventually([&] { return node->confirmed_output() == offset; }))
      << "who was cut off does not hold anybody up";
  client.type("k");
  EXPECT_EQ(take(*node, 1), "k");
}

TEST(NumberedConsole, AClientOfAnotherMachineIsSentAway) {
  const auto node = serve_on();
  node->set_live(Epoch{0});
  const auto result = run_console_client(
      {.nodes = {node->address()}, .pair = "other", .in_fd = -1, .out_fd = -1, .message_fd = -1});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kMismatch);
}

TEST(NumberedConsole, ManyThreadsMayUseItAtOnce) {
  const auto node = serve_on();
  node->set_live(Epoch{1});
  Client client({node->address()});
  std::atomic<bool> stop{false};
  std::thread vcpu([&] {
    Bytes typed;
    while (!stop.load()) {
      node->take_input(typed, 10);
      node->confirm_input(typed.size());
      (void)node->confirmed_output();
    }
  });
  std::thread gate([&] {
    for (std::uint64_t i = 0; i < 20'000; ++i) node->publish(i, bytes_of("."));
    for (std::uint64_t epoch = 2; epoch < 10; ++epoch) node->set_live(Epoch{epoch});
  });
  client.type("hello");
  EXPECT_EQ(client.read(20'000), std::string(20'000, '.'));
  gate.join();
  stop.store(true);
  vcpu.join();
}

}  // namespace
}  // namespace ftvm::devices::host
