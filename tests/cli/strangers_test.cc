// Who is no part of a pair and talks into its sockets all the same: told why, or cut off, and the
// pair goes on.
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>

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

/// Everything that is written to a Unix socket, and then read until the other side closes.
void throw_at(const std::string& path, const std::string& bytes) {
  const ScopedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const auto* name = reinterpret_cast<const sockaddr*>(&address);
  ASSERT_EQ(::connect(fd.get(), name, sizeof address), 0) << path;
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

}  // namespace
}  // namespace ftvm::test
