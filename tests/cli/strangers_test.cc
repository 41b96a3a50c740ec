// Who is no part of a pair and talks into its sockets all the same: told why, or cut off, and the
// pair goes on.
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <filesystem>

#include "devices/host/numbered_protocol.h"
#include "emulator/base/prng.h"
#include "ftcore/transport/channel_address.h"
#include "ftcore/transport/wire_codec.h"
#include "ftcore/transport/zmq_channel.h"
#include "replay/frame.h"
#include "tests/cli/pair_process.h"

namespace ftvm::test {
namespace {

using ftcore::ChannelEvent;
using ::testing::HasSubstr;

/// Somebody on the channel who is no ftvm of this version.
class Stranger {
 public:
  explicit Stranger(const std::string& channel) {
    auto opened = ftcore::ZmqChannel::connect({.address = *ftcore::parse_channel_address(channel)});
    EXPECT_TRUE(opened);
    channel_ = std::move(*opened);
  }
  /// The next event, within a minute.
  std::optional<ChannelEvent> hear() {
    for (int i = 0; i < 6000; ++i) {
      if (auto event = channel_->receive()) return event;
      pollfd fd{channel_->descriptor(), POLLIN, 0};
      ::poll(&fd, 1, 10);
    }
    return std::nullopt;
  }
  /// Once there is a connection.
  void say(const Bytes& bytes) {
    while (node_ == ftcore::PeerId{}) {
      const auto event = hear();
      ASSERT_TRUE(event);
      if (event->kind == ChannelEvent::Kind::kConnected) node_ = event->peer;
    }
    ASSERT_TRUE(channel_->send(node_, bytes));
  }

 private:
  std::unique_ptr<ftcore::Channel> channel_;
  ftcore::PeerId node_;
};

/// A message with another version in its envelope.
Bytes of_version(std::uint32_t version, const ftcore::Message& message) {
  const Bytes bytes = ftcore::encode_message(message);
  const replay::FrameStep step = replay::parse_frame(bytes);
  Bytes payload(step.frame.payload.begin(), step.frame.payload.end());
  store_le(payload.data(), version);
  Bytes out;
  replay::append_frame(out, static_cast<replay::FrameType>(step.frame.type), payload);
  return out;
}

using Strangers = PairProcesses;

TEST_F(Strangers, ABackupOfAnOlderWireVersionIsToldSoInItsOwn) {
  start_primary("e");
  Stranger old("ipc://" + folder_.file("channel"));
  ftcore::Hello hello;
  hello.incarnation.bytes.fill(7);
  hello.identity.clock = replay::ClockMode::kHost;
  old.say(of_version(1, {{}, {}, {}, hello}));
  const auto answer = old.hear();
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->kind, ChannelEvent::Kind::kMessage);
  EXPECT_EQ(ftcore::foreign_version(answer->bytes), 1u);
  const std::string text(answer->bytes.begin(), answer->bytes.end());
  EXPECT_THAT(text, HasSubstr("wire version 1; this program speaks version " +
                              std::to_string(ftcore::kWireVersion)));
  EXPECT_EQ(status("primary")["role"], "waiting");
}

ScopedFd dial(const std::string& path) {
  ScopedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const auto* name = reinterpret_cast<const sockaddr*>(&address);
  EXPECT_EQ(::connect(fd.get(), name, sizeof address), 0) << path;
  return fd;
}

/// Writes everything to a Unix socket, and then reads until the other side closes.
void throw_at(const std::string& path, const std::string& bytes) {
  const ScopedFd fd = dial(path);
  (void)!::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  ::shutdown(fd.get(), SHUT_WR);
  char buffer[4096];
  while (::recv(fd.get(), buffer, sizeof buffer, 0) > 0) {
  }
}

std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

TEST_F(Strangers, WhoKnocksInALoopDoesNotFillTheDiagnostics) {
  constexpr int kKnocks = 300;
  start_primary("e");
  for (int i = 0; i < kKnocks; ++i) {
    throw_at(folder_.file("channel"),
             "GET / HTTP/1.1\r\nHost: nobody\r\n\r\n" + std::string(80, 'x'));
  }
  start_backup("e");
  ASSERT_TRUE(until_role("backup", "backup"));
  const std::string diag = text_of(folder_.file("primary.diag"));
  EXPECT_GE(count_of(diag, "channel.refused"), 1u);
  EXPECT_LT(count_of(diag, "channel.refused"), kKnocks / 3u) << diag;
}

/// The pair's id, which whoever can read the arbiter's folder knows.
ftcore::Uuid pair_in(const std::string& arbiter) {
  ftcore::Uuid pair;
  for (const auto& entry : std::filesystem::directory_iterator(arbiter)) {
    const std::string name = entry.path().filename();
    if (name.size() < 2 * pair.bytes.size() || name[0] == '.') continue;
    for (std::size_t i = 0; i < pair.bytes.size(); ++i) {
      pair.bytes[i] =
          static_cast<std::uint8_t>(std::strtoul(name.substr(2 * i, 2).c_str(), nullptr, 16));
    }
  }
  return pair;
}

class AmongStrangers : public Strangers {
 protected:
  /// The console echoes, both nodes are what they were, and a takeover works.
  void expect_sound(const std::string& text) {
    client_->type(text);
    EXPECT_TRUE(client_->prints(text));
    EXPECT_EQ(status("primary")["role"], "primary");
    EXPECT_EQ(status("backup")["role"], "backup");
    primary_->signal(SIGKILL);
    client_->type("after.");
    EXPECT_TRUE(client_->prints(text + "after."));
    client_->type("q");
    EXPECT_EQ(backup_->wait().exit, 0) << backup_->err();
  }
};

TEST_F(AmongStrangers, GarbageAndHalvesOfWhatIsRightHurtNoSocket) {
  start_pair("e");
  ASSERT_TRUE(until_role("backup", "backup"));
  devices::host::ByteFifo fifo;
  devices::host::encode(devices::host::ConsoleHello{.client_id = 9}, fifo);
  const std::string hello(fifo.view().begin(), fifo.view().end());
  const Bytes sent = ftcore::encode_message({{}, {}, {}, ftcore::Refuse{"no"}});
  const std::string message(sent.begin(), sent.end());
  const std::string request = "{\"command\":\"status\"}";
  Prng prng(1);
  for (int round = 0; round < 12; ++round) {
    std::string noise(1 + prng.below(3000), '\0');
    for (char& byte : noise) byte = static_cast<char>(prng.below(256));
    const auto half = [&prng](const std::string& whole) {
      return whole.substr(0, prng.below(whole.size()));
    };
    for (const std::string& path : {folder_.file("channel"), console("primary"), console("backup"),
                                    control("primary"), control("backup")}) {
      for (const std::string& bytes :
           {noise, half(hello), hello + noise, half(message), half(request), request + noise}) {
        throw_at(path, bytes);
      }
    }
  }
  expect_sound("typed.");
}

TEST_F(AmongStrangers, MessagesOfOtherSessionsAreIgnored) {
  start_pair("e");
  ASSERT_TRUE(until_role("backup", "backup"));
  const ftcore::Uuid pair = pair_in(folder_.file("arbiter"));
  ASSERT_FALSE(pair.is_zero());
  ftcore::Uuid other;
  other.bytes.fill(9);
  const auto before = status("primary")["messages_ignored"].get<std::uint64_t>();
  Stranger stranger("ipc://" + folder_.file("channel"));
  for (const ftcore::Uuid& of : {pair, other}) {
    for (const ftcore::MessageBody& body : std::initializer_list<ftcore::MessageBody>{
             ftcore::Ack{{~0ull}, {~0ull}, ~0ull, 0, 0}, ftcore::Joined{1}, ftcore::Keepalive{true},
             ftcore::Bye{"gone"}, ftcore::Refuse{"no"}, ftcore::Progress{{~0ull}, {1}},
             ftcore::Confirmed{{~0ull}}}) {
      // Of an epoch that is over: somebody who does not know yet.
      stranger.say(ftcore::encode_message({of, other, Epoch{0}, body}));
      stranger.say(ftcore::encode_message({of, other, Epoch{1}, body}));
    }
  }
  // A hello behind them is answered, so they have been read by then.
  ftcore::Hello hello;
  hello.incarnation = other;
  hello.identity.clock = replay::ClockMode::kHost;
  stranger.say(ftcore::encode_message({{}, {}, {}, hello}));
  for (;;) {
    const auto event = stranger.hear();
    ASSERT_TRUE(event);
    if (event->kind != ChannelEvent::Kind::kMessage) continue;
    const auto answer = ftcore::decode_message(event->bytes);
    ASSERT_TRUE(answer) << answer.error().message();
    if (std::holds_alternative<ftcore::Refuse>(answer->body)) break;
    EXPECT_TRUE(std::holds_alternative<ftcore::HigherEpoch>(answer->body));
  }
  EXPECT_GT(status("primary")["messages_ignored"], before);
  expect_sound("typed.");
}

TEST_F(AmongStrangers, AClientThatNeverReadsHoldsUpNobody) {
  start_primary("f");
  start_backup("f");
  ASSERT_TRUE(until_role("backup", "backup"));
  const ScopedFd deaf = dial(console("primary"));
  devices::host::ByteFifo hello;
  devices::host::encode(devices::host::ConsoleHello{.client_id = 9}, hello);
  ASSERT_EQ(::send(deaf.get(), hello.view().data(), hello.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(hello.size()));
  // Far more than all buffers on the way hold: it was cut off, and the guest went on.
  ASSERT_TRUE(until("primary", [&](const auto&) {
    return text_of(folder_.file("primary.diag")).find("console.slow_client") != std::string::npos;
  }));
  const auto tick = status("primary")["tick"].get<std::uint64_t>();
  ASSERT_TRUE(until("primary", [&](const auto& now) { return now["tick"] > tick; }));
  EXPECT_EQ(status("backup")["role"], "backup");
  start_client();
  EXPECT_TRUE(client_->prints("line "));
  EXPECT_TRUE(ctl("primary", "stop"));
  EXPECT_EQ(primary_->wait().exit, 0);
  EXPECT_EQ(backup_->wait().exit, 0);
}

}  // namespace
}  // namespace ftvm::test
