// The channel on real sockets: who is connected, what arrives, what a stranger, a deaf peer or a
// wrong key can do (nothing).
#include "ftcore/transport/zmq_channel.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <csignal>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "ftcore/transport/wire_codec.h"
#include "tests/unit/ftcore/wire_test_messages.h"

namespace ftvm::ftcore {
namespace {

using Kind = ChannelEvent::Kind;

Bytes bytes_of_text(const std::string& text) {
  return {text.begin(), text.end()};
}
std::string text_of(const Bytes& bytes) {
  return {bytes.begin(), bytes.end()};
}

SecretKey test_secret(std::uint8_t fill) {
  SecretKey key;
  key.bytes.fill(fill);
  return key;
}

ZmqChannelOptions at(const std::string& address) {
  ZmqChannelOptions options;
  options.address = *parse_channel_address(address);
  return options;
}

std::unique_ptr<ZmqChannel> listen_with(const ZmqChannelOptions& options) {
  auto channel = ZmqChannel::listen(options);
  EXPECT_TRUE(channel.has_value()) << channel.error().message();
  return channel ? *std::move(channel) : nullptr;
}
std::unique_ptr<ZmqChannel> connect_with(const ZmqChannelOptions& options) {
  auto channel = ZmqChannel::connect(options);
  EXPECT_TRUE(channel.has_value()) << channel.error().message();
  return channel ? *std::move(channel) : nullptr;
}

/// The next event, waiting on the descriptor alone: a wake-up that gets lost fails the test.
std::optional<ChannelEvent> next(Channel& channel) {
  return wait_for_next(channel.descriptor(), [&channel] { return channel.receive(); });
}
/// The next event of one kind; others are passed over.
std::optional<ChannelEvent> next_of(Channel& channel, Kind kind) {
  for (int i = 0; i < 10'000; ++i) {
    std::optional<ChannelEvent> event = next(channel);
    if (!event || event->kind == kind) return event;
  }
  return std::nullopt;
}

/// A listening channel and one that said hello to it.
struct Pair {
  explicit Pair(const ZmqChannelOptions& options = at("127.0.0.1:0"))
      : primary(listen_with(options)) {
    ZmqChannelOptions to_primary = options;
    to_primary.address = primary->address();
    backup = connect_with(to_primary);
    const auto connected = next(*backup);
    EXPECT_TRUE(connected && connected->kind == Kind::kConnected);
    if (!connected) return;
    server = connected->peer;
    EXPECT_TRUE(backup->send(server, bytes_of_text("hello")).has_value());
    const auto hello = next(*primary);
    EXPECT_TRUE(hello && hello->kind == Kind::kMessage);
    if (!hello) return;
    EXPECT_EQ(text_of(hello->bytes), "hello");
    client = hello->peer;
    address = hello->peer_address;
  }
  std::unique_ptr<ZmqChannel> primary, backup;
  PeerId server, client;  // As the other side knows them.
  std::string address;
};

/// Another program's socket.
struct RawSocket {
  explicit RawSocket(zmq::socket_type type) : socket(context, type) {
    socket.set(zmq::sockopt::linger, 0);
  }
  void send(const std::vector<std::string>& parts) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const auto flags = i + 1 < parts.size() ? zmq::send_flags::sndmore : zmq::send_flags::none;
      EXPECT_TRUE(socket.send(zmq::buffer(parts[i]), flags).has_value());
    }
  }
  zmq::context_t context{1};
  zmq::socket_t socket;
};

TEST(ZmqChannel, CarriesMessagesBothWaysInOrder) {
  Pair pair;
  EXPECT_EQ(pair.address, "127.0.0.1");
  constexpr int kCount = 1000;
  for (int i = 0; i < kCount; ++i) {
    const Bytes number = bytes_of_text(std::to_string(i));
    ASSERT_TRUE(pair.primary->send(pair.client, number).has_value());
    ASSERT_TRUE(pair.backup->send(pair.server, number).has_value());
  }
  for (int i = 0; i < kCount; ++i) {
    const auto down = next(*pair.backup);
    ASSERT_TRUE(down && down->kind == Kind::kMessage);
    EXPECT_EQ(text_of(down->bytes), std::to_string(i));
    EXPECT_EQ(down->peer, pair.server);
    EXPECT_EQ(down->peer_address, "127.0.0.1");
    const auto up = next(*pair.primary);
    ASSERT_TRUE(up && up->kind == Kind::kMessage);
    EXPECT_EQ(text_of(up->bytes), std::to_string(i));
    EXPECT_EQ(up->peer, pair.client);
  }
}

TEST(ZmqChannel, CarriesEveryMessageOfTheProtocol) {
  Pair pair;
  for (const Message& message : test_messages()) {
    ASSERT_TRUE(pair.primary->send(pair.client, encode_message(message)).has_value());
    const auto event = next(*pair.backup);
    ASSERT_TRUE(event && event->kind == Kind::kMessage);
    EXPECT_EQ(*decode_message(event->bytes), message);
  }
}

TEST(ZmqChannel, WorksOverIPv6AndUnixSockets) {
  TempDir folder;
  for (const std::string& address : {std::string("[::1]:0"), "ipc://" + folder.file("socket")}) {
    Pair pair(at(address));
    EXPECT_EQ(pair.address, address[0] == '[' ? "::1" : "");
    ASSERT_TRUE(pair.primary->send(pair.client, bytes_of_text("welcome")).has_value());
    const auto event = next(*pair.backup);
    ASSERT_TRUE(event.has_value());
    EXPECT_EQ(text_of(event->bytes), "welcome");
  }
}

TEST(ZmqChannel, AUnixSocketIsNotTakenFromTheOneWhoListens) {
  TempDir folder;
  const std::string address = "ipc://" + folder.file("socket");
  {
    Pair pair(at(address));
    const auto second = ZmqChannel::listen(at(address));
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code(), ErrorCode::kUsage);
    EXPECT_NE(second.error().message().find("another process listens here"), std::string::npos);
    ASSERT_TRUE(pair.primary->send(pair.client, bytes_of_text("still here")).has_value());
    EXPECT_TRUE(next(*pair.backup).has_value());
  }
  EXPECT_TRUE(ZmqChannel::listen(at(address)).has_value()) << "what the last one left behind";
}

TEST(ZmqChannel, TheDescriptorRestsWhenThereIsNothing) {
  Pair pair;
  for (Channel* channel :
       {static_cast<Channel*>(pair.primary.get()), static_cast<Channel*>(pair.backup.get())}) {
    // The library may still have something to settle, each time without an event.
    int wakes = 0;
    while (wakes < 100 && wait_readable(channel->descriptor(), 50)) {
      EXPECT_FALSE(channel->receive().has_value());
      ++wakes;
    }
    EXPECT_LT(wakes, 100) << "a poll loop would spin";
  }
}

TEST(ZmqChannel, SendingDoesNotSwallowTheNewsOfAnArrival) {
  Pair pair;
  for (int round = 0; round < 300; ++round) {
    ASSERT_TRUE(pair.primary->send(pair.client, bytes_of_text("ping")).has_value());
    // Each send lets the library do its work, which eats the signal on its descriptor.
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(pair.backup->send(pair.server, bytes_of_text("noise")).has_value());
    }
    const auto ping = next(*pair.backup);
    ASSERT_TRUE(ping.has_value()) << "round " << round;
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(next(*pair.primary).has_value());
  }
}

TEST(ZmqChannel, TellsStrangersApartAndDropsOne) {
  Pair pair;
  ZmqChannelOptions options = at("127.0.0.1:0");
  options.address = pair.primary->address();
  auto stranger = connect_with(options);
  const auto connected = next(*stranger);
  ASSERT_TRUE(connected && connected->kind == Kind::kConnected);
  ASSERT_TRUE(stranger->send(connected->peer, bytes_of_text("me too")).has_value());
  const auto request = next(*pair.primary);
  ASSERT_TRUE(request.has_value());
  EXPECT_NE(request->peer, pair.client);

  ASSERT_TRUE(pair.primary->send(request->peer, bytes_of_text("refused")).has_value());
  pair.primary->drop(request->peer);
  EXPECT_EQ(text_of(next(*stranger)->bytes), "refused");
  EXPECT_EQ(pair.primary->send(request->peer, {}).error().code(), ErrorCode::kClosed);

  ASSERT_TRUE(stranger->send(connected->peer, bytes_of_text("please")).has_value());
  stranger.reset();  // Neither its message nor its end is reported.
  ASSERT_TRUE(pair.backup->send(pair.server, bytes_of_text("ack")).has_value());
  const auto event = next(*pair.primary);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->peer, pair.client);
  EXPECT_EQ(text_of(event->bytes), "ack");
}

TEST(ZmqChannel, AClosedPeerIsReportedOnceAndCannotBeSentTo) {
  Pair pair;
  pair.backup.reset();
  const auto event = next(*pair.primary);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->kind, Kind::kDisconnected);
  EXPECT_EQ(event->peer, pair.client);
  EXPECT_EQ(pair.primary->send(pair.client, bytes_of_text("x")).error().code(), ErrorCode::kClosed);
  EXPECT_FALSE(pair.primary->receive().has_value());
}

TEST(ZmqChannel, ConnectsAnewAndTheOldConnectionStaysClosed) {
  Pair pair;
  ZmqChannelOptions options = at("127.0.0.1:0");
  options.address = pair.primary->address();
  pair.primary.reset();
  // Before it knows: some go to the dead connection's queue, and must die with it.
  for (int i = 0; i < 10; ++i) (void)pair.backup->send(pair.server, bytes_of_text("stale"));
  auto event = next(*pair.backup);
  ASSERT_TRUE(event && event->kind == Kind::kDisconnected);
  EXPECT_EQ(event->peer, pair.server);
  EXPECT_EQ(pair.backup->send(pair.server, {}).error().code(), ErrorCode::kClosed);

  pair.primary = listen_with(options);
  event = next_of(*pair.backup, Kind::kConnected);
  ASSERT_TRUE(event.has_value());
  EXPECT_NE(event->peer, pair.server);
  EXPECT_EQ(pair.backup->send(pair.server, {}).error().code(), ErrorCode::kClosed);
  EXPECT_TRUE(pair.backup->send(event->peer, bytes_of_text("hello again")).has_value());
  EXPECT_EQ(text_of(next(*pair.primary)->bytes), "hello again");
}

TEST(ZmqChannel, DroppingTheServerConnectsAnew) {
  Pair pair;
  pair.backup->drop(pair.server);
  EXPECT_EQ(pair.backup->send(pair.server, {}).error().code(), ErrorCode::kClosed);
  const auto event = next(*pair.backup);
  ASSERT_TRUE(event && event->kind == Kind::kConnected) << static_cast<int>(event->kind);
  EXPECT_NE(event->peer, pair.server);
  ASSERT_TRUE(pair.backup->send(event->peer, bytes_of_text("new")).has_value());
  const auto hello = next_of(*pair.primary, Kind::kMessage);
  ASSERT_TRUE(hello.has_value());
  EXPECT_NE(hello->peer, pair.client);
}

TEST(ZmqChannel, WhatArrivedBeforeTheEndComesBeforeTheEnd) {
  constexpr int kCount = 500;
  std::unique_ptr<ZmqChannel> backup;
  {
    RawSocket primary(zmq::socket_type::router);
    primary.socket.set(zmq::sockopt::linger, kWaitMs);
    primary.socket.bind("tcp://127.0.0.1:*");
    backup = connect_with(at(primary.socket.get(zmq::sockopt::last_endpoint)));
    const auto connected = next(*backup);
    ASSERT_TRUE(connected.has_value());
    ASSERT_TRUE(backup->send(connected->peer, bytes_of_text("hello")).has_value());
    zmq::message_t id;
    ASSERT_TRUE(primary.socket.recv(id).has_value());
    for (int i = 0; i < kCount; ++i) primary.send({id.to_string(), std::to_string(i)});
    // Its end waits until all is in the kernel's hands; the backup has not looked at any of it.
  }
  for (int i = 0; i < kCount; ++i) {
    const auto event = next(*backup);
    ASSERT_TRUE(event && event->kind == Kind::kMessage) << i;
    EXPECT_EQ(text_of(event->bytes), std::to_string(i));
  }
  const auto event = next(*backup);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->kind, Kind::kDisconnected);
}

TEST(ZmqChannel, APrimaryThatIsKilledLeavesAPrefixAndThenItsEnd) {
  auto reserved = listen_with(at("127.0.0.1:0"));
  ZmqChannelOptions options = at("127.0.0.1:0");
  options.address = reserved->address();
  reserved.reset();
  const pid_t primary = ::fork();
  if (primary == 0) {
    auto channel = ZmqChannel::listen(options);
    const auto hello = channel ? next(**channel) : std::nullopt;
    for (int i = 0; hello; ++i) {
      const Bytes number = bytes_of_text(std::to_string(i));
      if (!(*channel)->send(hello->peer, number)) (*channel)->receive();
      if (i == 2000) ::raise(SIGKILL);
    }
    ::_exit(1);
  }
  auto backup = connect_with(options);
  const auto connected = next_of(*backup, Kind::kConnected);
  ASSERT_TRUE(connected.has_value());
  ASSERT_TRUE(backup->send(connected->peer, bytes_of_text("hello")).has_value());
  int expected = 0;
  for (;;) {
    const auto event = next(*backup);
    ASSERT_TRUE(event.has_value());
    if (event->kind == Kind::kDisconnected) break;
    ASSERT_EQ(event->kind, Kind::kMessage);
    ASSERT_EQ(text_of(event->bytes), std::to_string(expected++));
  }
  int status = 0;
  ::waitpid(primary, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status));
}

TEST(ZmqChannel, AFullQueueIsAnErrorAndNeverAStall) {
  ZmqChannelOptions options = at("127.0.0.1:0");
  options.send_queue_messages_max = 4;
  auto primary = listen_with(options);
  RawSocket deaf(zmq::socket_type::dealer);
  deaf.socket.set(zmq::sockopt::rcvhwm, 1);
  deaf.socket.connect(primary->address().text());
  deaf.send({"hello"});
  const auto hello = next(*primary);
  ASSERT_TRUE(hello.has_value());
  const Bytes large(1 << 20, 0x55);
  Status status;
  int sent = 0;
  for (; status && sent < 1000; ++sent) status = primary->send(hello->peer, large);
  ASSERT_FALSE(status.has_value()) << "a gigabyte was taken";
  EXPECT_EQ(status.error().code(), ErrorCode::kIo);
  EXPECT_NE(status.error().message().find("does not read"), std::string::npos);
}

TEST(ZmqChannel, AFullQueueOfTheConnectingSideToo) {
  RawSocket deaf(zmq::socket_type::router);
  deaf.socket.set(zmq::sockopt::rcvhwm, 1);
  deaf.socket.bind("tcp://127.0.0.1:*");
  ZmqChannelOptions options = at(deaf.socket.get(zmq::sockopt::last_endpoint));
  options.send_queue_messages_max = 4;
  auto backup = connect_with(options);
  const auto connected = next(*backup);
  ASSERT_TRUE(connected.has_value());
  const Bytes large(1 << 20, 0x55);
  Status status;
  for (int sent = 0; status && sent < 1000; ++sent) status = backup->send(connected->peer, large);
  ASSERT_FALSE(status.has_value()) << "a gigabyte was taken";
  EXPECT_EQ(status.error().code(), ErrorCode::kIo);
}

TEST(ZmqChannel, MessagesOfAnotherFormAreThrownAway) {
  auto primary = listen_with(at("127.0.0.1:0"));
  RawSocket odd(zmq::socket_type::dealer);
  odd.socket.connect(primary->address().text());
  odd.send({"two", "parts"});
  odd.send({"a", "b", "c", "d"});
  odd.send({"", "request"});  // What a REQ socket would send.
  odd.send({"one"});
  const auto event = next(*primary);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(text_of(event->bytes), "one");
}

TEST(ZmqChannel, AMessageThatIsTooLongEndsItsConnectionOnly) {
  Pair pair;
  RawSocket greedy(zmq::socket_type::dealer);
  greedy.socket.connect(pair.primary->address().text());
  greedy.send({"hello"});
  const auto hello = next(*pair.primary);
  ASSERT_TRUE(hello.has_value());
  greedy.send({std::string(kWireSmallMessageBytesMax + 1, 'x')});
  const auto event = next(*pair.primary);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->kind, Kind::kDisconnected);
  EXPECT_EQ(event->peer, hello->peer);
  ASSERT_TRUE(pair.backup->send(pair.server, bytes_of_text("still here")).has_value());
  EXPECT_EQ(text_of(next_of(*pair.primary, Kind::kMessage)->bytes), "still here");
}

ScopedFd raw_tcp(const ChannelAddress& address) {
  ScopedFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(address.port);
  ::inet_pton(AF_INET, address.host.c_str(), &to.sin_addr);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  return fd;
}

TEST(ZmqChannel, GarbageHalfGreetingsAndHalfFramesHurtNobody) {
  Pair pair;
  // A ZMTP 3.0 greeting, whole and cut anywhere, and things that are none.
  std::string greeting("\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL", 16);
  greeting.resize(64, '\0');
  std::vector<std::string> inputs{
      "GET / HTTP/1.0\r\n\r\n", std::string(100'000, '\xff'), std::string(1000, '\0'),
      greeting + "\x04\xff\xff\xff\xff\xff",
      greeting + std::string("\x06\xff\xff\xff\xff\xff\xff\xff\xff", 9)};
  for (std::size_t size = 0; size <= greeting.size(); size += 7) {
    inputs.push_back(greeting.substr(0, size));
  }
  std::vector<ScopedFd> strangers;
  for (const std::string& input : inputs) {
    strangers.push_back(raw_tcp(pair.primary->address()));
    (void)::send(strangers.back().get(), input.data(), input.size(), MSG_NOSIGNAL);
    if (strangers.size() % 2 == 0) strangers.back().reset();
    const std::string text = "ack " + std::to_string(strangers.size());
    ASSERT_TRUE(pair.backup->send(pair.server, bytes_of_text(text)).has_value());
    const auto event = next_of(*pair.primary, Kind::kMessage);
    ASSERT_TRUE(event.has_value());
    EXPECT_EQ(event->peer, pair.client);
    EXPECT_EQ(text_of(event->bytes), text);
  }
}

// -------------------------------------------------------------------------------------- keys

TEST(ZmqChannelKey, TheSameKeyOnBothSidesWorks) {
  ZmqChannelOptions options = at("127.0.0.1:0");
  options.key = test_secret(1);
  Pair pair(options);
  ASSERT_TRUE(pair.primary->send(pair.client, bytes_of_text("secret")).has_value());
  EXPECT_EQ(text_of(next(*pair.backup)->bytes), "secret");
}

/// Neither side hears anything of the other but that a handshake failed.
void expect_no_way(const ZmqChannelOptions& listening, ZmqChannelOptions connecting) {
  auto primary = listen_with(listening);
  connecting.address = primary->address();
  auto backup = connect_with(connecting);
  // Each looks after itself, and the connecting side tries again and again.
  int failures = 0;
  for (int wakes = 0; failures < 3 && wakes < 1000; ++wakes) {
    pollfd fds[]{{primary->descriptor(), POLLIN, 0}, {backup->descriptor(), POLLIN, 0}};
    ASSERT_GT(::poll(fds, 2, kWaitMs), 0);
    while (const auto event = primary->receive()) {
      ASSERT_EQ(event->kind, Kind::kHandshakeFailed);
      EXPECT_NE(event->reason.find("--key"), std::string::npos) << event->reason;
      ++failures;
    }
    while (const auto event = backup->receive()) ASSERT_EQ(event->kind, Kind::kHandshakeFailed);
    EXPECT_EQ(backup->send(PeerId{1}, {}).error().code(), ErrorCode::kClosed);
  }
  EXPECT_GE(failures, 3);
}

TEST(ZmqChannelKey, AnotherKeyGetsNowhere) {
  ZmqChannelOptions one = at("127.0.0.1:0");
  ZmqChannelOptions two = one;
  one.key = test_secret(1);
  two.key = test_secret(1);
  two.key->bytes[31] ^= 1;
  expect_no_way(one, two);
}

TEST(ZmqChannelKey, NoKeyGetsNowhereWhereThereIsOne) {
  ZmqChannelOptions one = at("127.0.0.1:0");
  one.key = test_secret(1);
  expect_no_way(one, at("127.0.0.1:0"));
}

TEST(ZmqChannelKey, AKeyGetsNowhereWhereThereIsNone) {
  ZmqChannelOptions two = at("127.0.0.1:0");
  two.key = test_secret(1);
  expect_no_way(at("127.0.0.1:0"), two);
}

TEST(ZmqChannelKey, AServerThatComesBackWithTheRightKeyIsFound) {
  ZmqChannelOptions right = at("127.0.0.1:0");
  right.key = test_secret(1);
  ZmqChannelOptions none = at("127.0.0.1:0");
  auto primary = listen_with(none);
  none.address = right.address = primary->address();
  auto backup = connect_with(right);
  const auto failed = next(*backup);
  ASSERT_TRUE(failed && failed->kind == Kind::kHandshakeFailed);
  primary = nullptr;
  primary = listen_with(right);
  EXPECT_TRUE(next_of(*backup, Kind::kConnected).has_value());
}

TEST(ZmqChannel, RefusesAnExposedAddressByItself) {
  EXPECT_EQ(ZmqChannel::listen(at("0.0.0.0:0")).error().code(), ErrorCode::kUsage);
  EXPECT_EQ(ZmqChannel::connect(at("10.0.0.1:1")).error().code(), ErrorCode::kUsage);
  ZmqChannelOptions options = at("0.0.0.0:0");
  options.insecure = true;
  EXPECT_TRUE(ZmqChannel::listen(options).has_value());
}

TEST(ZmqChannel, NamesTheAddressThatCannotBeUsed) {
  const auto first = listen_with(at("127.0.0.1:0"));
  ZmqChannelOptions options = at("127.0.0.1:0");
  options.address = first->address();
  const auto second = ZmqChannel::listen(options);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code(), ErrorCode::kIo);
  EXPECT_EQ(second.error().message(),
            "listen on " + first->address().text() + ": the port is taken by another process");

  options = at("192.0.2.1:0");  // Reserved for documentation: nobody's address.
  options.insecure = true;
  const auto foreign = ZmqChannel::listen(options);
  ASSERT_FALSE(foreign.has_value());
  EXPECT_EQ(foreign.error().code(), ErrorCode::kUsage);
  EXPECT_NE(foreign.error().message().find("192.0.2.1"), std::string::npos);

  EXPECT_EQ(ZmqChannel::connect(at("127.0.0.1:0")).error().code(), ErrorCode::kUsage);
  EXPECT_FALSE(ZmqChannel::listen(at("ipc:///no/such/folder/x")).has_value());
}

}  // namespace
}  // namespace ftvm::ftcore
