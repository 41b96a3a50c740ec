// The operator's door on real Unix sockets: questions and answers, and clients that misbehave.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "ftcore/transport/control_client.h"
#include "ftcore/transport/control_path.h"
#include "ftcore/transport/control_server.h"
#include "tests/unit/ftcore/transport_test_util.h"

namespace ftvm::ftcore {
namespace {

using nlohmann::json;

Result<std::string> answer(std::string_view command, std::string_view args) {
  if (command == "echo") return std::string(args);
  if (command == "large") return json(std::string(1 << 20, 'x')).dump();
  if (command == "huge") return json(std::string(kControlReplyBytesMax, 'x')).dump();
  if (command == "broken") return std::string("{not json");
  if (command == "pretty") return std::string("{\n  \"a\": [1,\n2]\n}\n");
  return Error(ErrorCode::kUsage, "no command '" + std::string(command) + "'");
}

class ControlTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = ControlServer::listen(path_, answer);
    ASSERT_TRUE(server.has_value()) << server.error().message();
    server_ = *std::move(server);
  }

  /// A client's socket; reads and writes do not block.
  [[nodiscard]] ScopedFd client() const {
    ScopedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const sockaddr_un address = *control_address(path_);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  /// What the server has to say now; a client that reads as long as the server writes.
  std::string read_all(const ScopedFd& fd) {
    std::string text;
    char buffer[65536];
    for (bool busy = true; busy;) {
      busy = wait_readable(server_->descriptor(), 0);
      server_->poll();
      const ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
      if (got == 0) return text + "<end>";
      if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
      busy = busy || got > 0;
    }
    return text;
  }
  std::string say(const ScopedFd& fd, std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN) break;
      if (sent > 0) text.remove_prefix(static_cast<std::size_t>(sent));
      server_->poll();
    }
    return read_all(fd);
  }

  TempDir folder_;
  std::string path_ = folder_.file("control");
  std::unique_ptr<ControlServer> server_;
};

const std::string kEcho = R"({"command":"echo","args":{"n":1}})";
const std::string kEchoReply = "{\"ok\":true,\"result\":{\"n\":1}}\n";

TEST_F(ControlTest, AnswersEachLineWithOneLine) {
  const ScopedFd fd = client();
  EXPECT_EQ(say(fd, kEcho + "\n"), kEchoReply);
  EXPECT_EQ(say(fd, kEcho + "\n" + kEcho + "\r\n" + kEcho + "\n"),
            kEchoReply + kEchoReply + kEchoReply);
  EXPECT_EQ(say(fd, "{\"command\":\"pretty\"}\n"), "{\"ok\":true,\"result\":{\"a\":[1,2]}}\n");
  EXPECT_EQ(say(fd, "{\"command\":\"echo\"}\n"), "{\"ok\":true,\"result\":{}}\n");
}

TEST_F(ControlTest, WaitsForTheRestOfALine) {
  const ScopedFd fd = client();
  std::string replies;
  for (const char c : kEcho) replies += say(fd, std::string(1, c));
  EXPECT_EQ(replies, "");
  EXPECT_EQ(say(fd, "\n"), kEchoReply);
}

TEST_F(ControlTest, RefusesWhatIsNoRequestAndGoesOn) {
  const ScopedFd fd = client();
  std::string deep(5000, '[');
  for (const std::string& line :
       {std::string(), std::string("x"), std::string("[]"), std::string("1"), std::string("null"),
        std::string("{}"), std::string(R"({"command":1})"), std::string(R"({"command":null})"),
        std::string(R"({"command":"echo","args":[]})"), std::string(R"({"command":"echo","x":1})"),
        std::string(R"({"command":"echo"}{"command":"echo"})"),
        std::string("{\"command\":\"\xff\"}"), std::string("\0\0", 2), deep,
        R"({"command":"echo","args":{"a":)" + deep + "}}"}) {
    const std::string reply = say(fd, line + "\n");
    const json value = json::parse(reply, nullptr, false);
    ASSERT_TRUE(value.is_object()) << line << " -> " << reply;
    EXPECT_EQ(value["ok"], false) << line;
    EXPECT_EQ(value["error"]["code"], "bad_data") << line;
  }
  EXPECT_EQ(say(fd, kEcho + "\n"), kEchoReply);
}

TEST_F(ControlTest, AHandlersErrorKeepsItsCodeAndItsWords) {
  const ScopedFd fd = client();
  EXPECT_EQ(
      json::parse(say(fd, "{\"command\":\"stauts\"}\n")),
      json::parse(R"({"ok":false,"error":{"code":"usage","message":"no command 'stauts'"}})"));
  EXPECT_EQ(json::parse(say(fd, "{\"command\":\"broken\"}\n"))["error"]["message"],
            "the reply is not JSON");
  EXPECT_EQ(json::parse(say(fd, "{\"command\":\"huge\"}\n"))["error"]["code"], "no_space");
}

TEST_F(ControlTest, ALineThatIsTooLongEndsItsClientOnly) {
  const ScopedFd good = client();
  for (const std::string& line : {std::string(kControlRequestBytesMax + 1, 'x') + "\n",
                                  std::string(4 * kControlRequestBytesMax, 'x')}) {
    const ScopedFd fd = client();
    const std::string reply = say(fd, line);
    // The kernel may cut a connection short whose data were never read.
    EXPECT_TRUE(reply.empty() || reply.find("longer than 65536 bytes") != std::string::npos)
        << reply;
    EXPECT_EQ(say(good, kEcho + "\n"), kEchoReply);
  }
  const ScopedFd fd = client();
  const std::string padding(kControlRequestBytesMax - kEcho.size(), ' ');
  EXPECT_EQ(say(fd, kEcho + padding + "\n"), kEchoReply) << "the longest one is fine";
}

TEST_F(ControlTest, SeventeenthClientIsToldSo) {
  std::vector<ScopedFd> clients;
  for (std::size_t i = 0; i < kControlClientsMax; ++i) {
    clients.push_back(client());
    EXPECT_EQ(say(clients.back(), kEcho + "\n"), kEchoReply);
  }
  const ScopedFd one_more = client();
  const std::string reply = read_all(one_more);
  EXPECT_NE(reply.find("too many clients"), std::string::npos) << reply;
  EXPECT_TRUE(reply.ends_with("<end>"));
  clients.pop_back();
  server_->poll();
  EXPECT_EQ(server_->client_count(), kControlClientsMax - 1);
  const ScopedFd next = client();
  EXPECT_EQ(say(next, kEcho + "\n"), kEchoReply);
}

TEST_F(ControlTest, AClientThatDoesNotReadHoldsUpNobody) {
  const ScopedFd deaf = client();
  std::string requests;
  for (int i = 0; i < 20; ++i) requests += "{\"command\":\"large\"}\n";
  ASSERT_EQ(::send(deaf.get(), requests.data(), requests.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(requests.size()));
  const ScopedFd fd = client();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(say(fd, kEcho + "\n"), kEchoReply);
  // It gets all its answers when it does read.
  std::size_t lines = 0;
  std::size_t bytes = 0;
  std::string buffer(1 << 20, '\0');
  for (int idle = 0; lines < 20 && idle < 1000;) {
    server_->poll();
    const ssize_t got = ::recv(deaf.get(), buffer.data(), buffer.size(), 0);
    idle = got > 0 ? 0 : idle + 1;
    if (got <= 0) continue;
    lines += static_cast<std::size_t>(std::count(buffer.begin(), buffer.begin() + got, '\n'));
    bytes += static_cast<std::size_t>(got);
  }
  EXPECT_EQ(lines, 20u);
  EXPECT_GT(bytes, std::size_t{20} << 20);
}

TEST_F(ControlTest, ClientsMayGoAwayAtAnyMoment) {
  for (const std::string& text :
       {std::string(), kEcho, kEcho + "\n", std::string("{\"command\":\"large\"}\n")}) {
    ScopedFd fd = client();
    (void)::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
    server_->poll();
    server_->poll();
    fd.reset();
    for (int i = 0; i < 5 && server_->client_count() > 0; ++i) server_->poll();
    EXPECT_EQ(server_->client_count(), 0u) << text;
  }
  // Half closed: the answer still comes.
  const ScopedFd fd = client();
  (void)::send(fd.get(), (kEcho + "\n").data(), kEcho.size() + 1, MSG_NOSIGNAL);
  ::shutdown(fd.get(), SHUT_WR);
  EXPECT_EQ(read_all(fd), kEchoReply + "<end>");
}

TEST_F(ControlTest, TheDescriptorRestsWhenThereIsNothing) {
  EXPECT_FALSE(wait_readable(server_->descriptor(), 0));
  const ScopedFd fd = client();
  EXPECT_TRUE(wait_readable(server_->descriptor(), 0));
  EXPECT_EQ(say(fd, kEcho + "\n"), kEchoReply);
  EXPECT_FALSE(wait_readable(server_->descriptor(), 0));
}

TEST_F(ControlTest, TheSocketIsTheOwnersAloneAndGoesAwayWithTheServer) {
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_TRUE(S_ISSOCK(info.st_mode));
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  server_.reset();
  EXPECT_NE(::stat(path_.c_str(), &info), 0);
}

// ------------------------------------------------------------------------ who owns the path

TEST_F(ControlTest, ASecondServerIsRefusedWhileTheFirstLives) {
  const auto second = ControlServer::listen(path_, answer);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code(), ErrorCode::kUsage);
  EXPECT_NE(second.error().message().find("another process listens here"), std::string::npos);
  const ScopedFd fd = client();
  EXPECT_EQ(say(fd, kEcho + "\n"), kEchoReply);
  server_.reset();
  EXPECT_TRUE(ControlServer::listen(path_, answer).has_value());
}

TEST(ControlPath, AProgramWithoutOurLockIsNamed) {
  TempDir folder;
  const std::string path = folder.file("control");
  const auto other = listen_on_control_path(path, 1);
  ASSERT_TRUE(other.has_value());
  const auto server = ControlServer::listen(path, answer);
  ASSERT_FALSE(server.has_value());
  EXPECT_NE(server.error().message().find("process " + std::to_string(::getpid())),
            std::string::npos)
      << server.error().message();
}

TEST(ControlPath, TheSocketOfAKilledProcessIsTakenOver) {
  TempDir folder;
  const std::string path = folder.file("control");
  EXPECT_EQ(in_child([&]() -> std::string {
              const auto server = ControlServer::listen(path, answer);
              if (server) ::raise(SIGKILL);
              return "not started";
            }),
            "died");
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0) << "the killed one left its socket behind";
  const auto server = ControlServer::listen(path, answer);
  EXPECT_TRUE(server.has_value()) << server.error().message();
}

TEST(ControlPath, WhatIsNoSocketIsLeftAlone) {
  TempDir folder;
  const std::string path = folder.file("control");
  write_text(path, "precious");
  const auto server = ControlServer::listen(path, answer);
  ASSERT_FALSE(server.has_value());
  EXPECT_EQ(server.error().code(), ErrorCode::kUsage);
  EXPECT_EQ(read_text(path), "precious");
}

TEST(ControlPath, ImpossiblePathsAreRefusedByName) {
  TempDir folder;
  const auto code = [](const std::string& path) {
    return ControlServer::listen(path, answer).error().code();
  };
  EXPECT_EQ(code(""), ErrorCode::kUsage);
  EXPECT_EQ(code(folder.file(std::string(200, 'x'))), ErrorCode::kUsage);
  EXPECT_EQ(code(folder.file("no/control")), ErrorCode::kNotFound);
}

TEST(ControlPath, OfEightServersExactlyOneGetsAStaleSocket) {
  TempDir folder;
  const std::string path = folder.file("control");
  for (int round = 0; round < 20; ++round) {
    in_child([&]() -> std::string {
      const auto server = ControlServer::listen(path, answer);
      ::raise(SIGKILL);
      return "";
    });
    std::atomic<int> winners{0};
    std::vector<std::unique_ptr<ControlServer>> servers(8);
    std::vector<std::thread> threads;
    threads.reserve(servers.size());
    for (auto& server : servers) {
      threads.emplace_back([&] {
        auto listening = ControlServer::listen(path, answer);
        if (!listening) return;
        ++winners;
        server = *std::move(listening);
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(winners, 1);
  }
}

// -------------------------------------------------------------------------------- the client

/// A server on a thread of its own, as a node's poll loop would have it.
class ControlCallTest : public ControlTest {
 protected:
  void SetUp() override {
    ControlTest::SetUp();
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    stop_read_.reset(ends[0]);
    stop_write_.reset(ends[1]);
    thread_ = std::thread([this] {
      for (;;) {
        pollfd fds[]{{server_->descriptor(), POLLIN, 0}, {stop_read_.get(), POLLIN, 0}};
        ::poll(fds, 2, -1);
        if (fds[1].revents != 0) return;
        server_->poll();
      }
    });
  }
  void TearDown() override {
    stop_write_.reset();
    thread_.join();
  }
  ScopedFd stop_read_, stop_write_;
  std::thread thread_;
};

TEST_F(ControlCallTest, ReturnsResultsAndErrors) {
  const auto result = control_call({.path = path_, .command = "echo", .args = R"({"a": [1, 2]})"});
  ASSERT_TRUE(result.has_value()) << result.error().message();
  EXPECT_EQ(*result, R"({"a":[1,2]})");
  const auto large = control_call({.path = path_, .command = "large"});
  ASSERT_TRUE(large.has_value()) << large.error().message();
  EXPECT_EQ(large->size(), (std::size_t{1} << 20) + 2);
  const auto error = control_call({.path = path_, .command = "x\ny"});
  ASSERT_FALSE(error.has_value());
  EXPECT_EQ(error.error().code(), ErrorCode::kUsage);
  EXPECT_NE(error.error().message().find("no command 'x\ny'"), std::string::npos);
}

TEST_F(ControlCallTest, SaysWhatIsWrongWithTheRequest) {
  for (const std::string args : {"", "[]", "{", "1"}) {
    const auto result = control_call({.path = path_, .command = "echo", .args = args});
    ASSERT_FALSE(result.has_value()) << args;
    EXPECT_EQ(result.error().code(), ErrorCode::kUsage) << args;
  }
  const std::string long_args = json({{"a", std::string(kControlRequestBytesMax, 'x')}}).dump();
  const auto result = control_call({.path = path_, .command = "echo", .args = long_args});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code(), ErrorCode::kUsage) << result.error().message();
}

TEST(ControlCall, SaysWhyThereIsNoAnswer) {
  TempDir folder;
  const std::string path = folder.file("control");
  const auto call = [&](std::uint32_t timeout_ms) {
    return control_call({.path = path, .command = "echo", .timeout_ms = timeout_ms}).error().code();
  };
  EXPECT_EQ(call(1000), ErrorCode::kNotFound);
  {
    const auto listener = listen_on_control_path(path, 1);
    ASSERT_TRUE(listener.has_value());
    EXPECT_EQ(call(1), ErrorCode::kTimeout);
  }
  EXPECT_EQ(call(1000), ErrorCode::kClosed);
}

TEST(ControlCall, RefusesAnswersThatMakeNoSense) {
  TempDir folder;
  const std::string path = folder.file("control");
  for (const std::string line : {"\n", "x\n", "[]\n", "{}\n", "{\"ok\":1}\n", "{\"ok\":true}\n",
                                 "{\"ok\":false}\n", "{\"ok\":false,\"error\":{}}\n",
                                 "{\"ok\":false,\"error\":{\"code\":1,\"message\":\"\"}}\n", ""}) {
    const auto listener = listen_on_control_path(path, 1);
    ASSERT_TRUE(listener.has_value()) << listener.error().message();
    std::thread node([&] {
      wait_readable(listener->get());
      const ScopedFd fd(::accept(listener->get(), nullptr, nullptr));
      char request[1000];
      (void)!::read(fd.get(), request, sizeof request);
      (void)!::write(fd.get(), line.data(), line.size());
    });
    const auto result = control_call({.path = path, .command = "echo"});
    node.join();
    ASSERT_FALSE(result.has_value()) << line;
    EXPECT_EQ(result.error().code(), line.empty() ? ErrorCode::kClosed : ErrorCode::kBadData);
  }
}

}  // namespace
}  // namespace ftvm::ftcore
