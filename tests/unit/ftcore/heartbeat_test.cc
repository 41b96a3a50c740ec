// Heartbeats over real UDP sockets: what the peer says arrives, and nothing that anybody else says.
#include "ftcore/transport/heartbeat.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/ftcore/transport_test_util.h"

namespace ftvm::ftcore {
namespace {

HeartbeatKey test_key(std::uint8_t fill) {
  HeartbeatKey key;
  key.fill(fill);
  return key;
}

std::unique_ptr<HeartbeatLink> open_link(const std::string& host = "127.0.0.1") {
  auto link = HeartbeatLink::open({.bind = {host, 0}});
  EXPECT_TRUE(link.has_value()) << link.error().message();
  return link ? *std::move(link) : nullptr;
}

HeartbeatSession session_to(std::uint16_t port, HeartbeatSide side) {
  HeartbeatSession session;
  session.session = test_uuid(2);
  session.epoch = {7};
  session.key = test_key(1);
  session.side = side;
  session.peer = {"127.0.0.1", port};
  session.heartbeat_ms = 1;
  return session;
}

/// Yields until the condition holds; the limit only ends a broken test.
template <class Condition>
bool eventually(Condition&& condition) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(kWaitMs);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    ::sched_yield();
  }
  return true;
}

std::optional<ReceivedHeartbeat> next(HeartbeatLink& link) {
  std::optional<ReceivedHeartbeat> received;
  (void)eventually([&] { return (received = link.poll()).has_value(); });
  return received;
}

/// A link that listens as the backup, and a plain socket that says what the test wants.
class HeartbeatTest : public ::testing::Test {
 protected:
  void SetUp() override {
    link_ = open_link();
    auto socket = UdpSocket::bind({"127.0.0.1", 0});
    ASSERT_TRUE(socket.has_value());
    stranger_ = *std::move(socket);
    link_address_ = *stranger_.resolve({"127.0.0.1", link_->port()});
    HeartbeatSession session = session_to(stranger_.port(), HeartbeatSide::kBackup);
    session.heartbeat_ms = kHeartbeatMsMax;  // One at the start; the stranger's turn after that.
    ASSERT_TRUE(link_->start_session(session).has_value());
  }
  [[nodiscard]] static Heartbeat heartbeat(std::uint64_t number) {
    return {test_uuid(2), Epoch{7}, number, Tick{100 + number}, false};
  }
  void send(ByteView datagram) { ASSERT_TRUE(stranger_.send_to(link_address_, datagram)); }
  void send(const Heartbeat& what, HeartbeatSide side = HeartbeatSide::kPrimary,
            const HeartbeatKey& key = test_key(1)) {
    send(encode_heartbeat(what, side, key));
  }
  /// A good heartbeat comes out, and nothing that was sent before it.
  void expect_next(std::uint64_t number) {
    send(heartbeat(number));
    const auto received = next(*link_);
    ASSERT_TRUE(received.has_value());
    EXPECT_EQ(received->heartbeat, heartbeat(number));
    EXPECT_GT(received->at.ns, 0);
    EXPECT_FALSE(link_->poll().has_value());
  }
  std::unique_ptr<HeartbeatLink> link_;
  UdpSocket stranger_;
  UdpAddress link_address_;
};

TEST(HeartbeatLink, BothSidesHearEachOtherWithRisingNumbers) {
  const auto primary = open_link();
  const auto backup = open_link();
  ASSERT_TRUE(
      primary->start_session(session_to(backup->port(), HeartbeatSide::kPrimary)).has_value());
  ASSERT_TRUE(
      backup->start_session(session_to(primary->port(), HeartbeatSide::kBackup)).has_value());
  std::uint64_t last = 0;
  for (HeartbeatLink* link : {primary.get(), backup.get(), primary.get(), backup.get()}) {
    last = 0;
    for (int i = 0; i < 5; ++i) {
      const auto received = next(*link);
      ASSERT_TRUE(received.has_value());
      EXPECT_GT(received->heartbeat.number, last);
      EXPECT_EQ(received->heartbeat.session, test_uuid(2));
      EXPECT_EQ(received->heartbeat.epoch, Epoch{7});
      last = received->heartbeat.number;
    }
  }
}

TEST(HeartbeatLink, CarriesProgressAndPause) {
  const auto primary = open_link();
  const auto backup = open_link();
  primary->set_progress(Tick{12345});
  primary->set_paused(true);
  ASSERT_TRUE(
      backup->start_session(session_to(primary->port(), HeartbeatSide::kBackup)).has_value());
  ASSERT_TRUE(
      primary->start_session(session_to(backup->port(), HeartbeatSide::kPrimary)).has_value());
  auto received = next(*backup);
  ASSERT_TRUE(received.has_value());
  EXPECT_EQ(received->heartbeat.progress, Tick{12345});
  EXPECT_TRUE(received->heartbeat.paused);
  primary->set_progress(Tick{12346});
  primary->set_paused(false);
  do {
    received = next(*backup);
    ASSERT_TRUE(received.has_value());
  } while (received->heartbeat.paused);
  EXPECT_EQ(received->heartbeat.progress, Tick{12346});
}

TEST(HeartbeatLink, WorksOverIPv6AndFromIPv4ToAnIPv6Socket) {
  for (const auto& [bind, peer] : std::vector<std::pair<std::string, std::string>>{
           {"::1", "::1"}, {"::", "127.0.0.1"}, {"127.0.0.1", "::ffff:127.0.0.1"}}) {
    const auto primary = open_link(bind);
    const auto backup = open_link(bind);
    HeartbeatSession to_backup = session_to(backup->port(), HeartbeatSide::kPrimary);
    HeartbeatSession to_primary = session_to(primary->port(), HeartbeatSide::kBackup);
    to_backup.peer.host = to_primary.peer.host = peer;
    ASSERT_TRUE(primary->start_session(to_backup).has_value()) << bind;
    ASSERT_TRUE(backup->start_session(to_primary).has_value()) << bind;
    EXPECT_TRUE(next(*primary).has_value()) << bind;
    EXPECT_TRUE(next(*backup).has_value()) << bind;
  }
}

TEST(HeartbeatLink, SaysNothingBeforeASessionAndAfterIt) {
  const auto silent = open_link();
  const auto other = open_link();
  ASSERT_TRUE(
      other->start_session(session_to(silent->port(), HeartbeatSide::kPrimary)).has_value());
  ASSERT_TRUE(eventually([&] {
    EXPECT_FALSE(silent->poll().has_value());
    return silent->counters().rejected >= 3;
  }));
  EXPECT_EQ(silent->counters().sent, 0u);
  ASSERT_TRUE(silent->start_session(session_to(other->port(), HeartbeatSide::kBackup)).has_value());
  ASSERT_TRUE(next(*silent).has_value());
  silent->stop_session();
  EXPECT_FALSE(silent->poll().has_value());
  const HeartbeatCounters before = silent->counters();
  ASSERT_TRUE(eventually([&] {
    EXPECT_FALSE(silent->poll().has_value());
    return silent->counters().rejected >= before.rejected + 5;
  }));
  EXPECT_EQ(silent->counters().sent, before.sent);
  EXPECT_EQ(silent->counters().accepted, before.accepted);
}

TEST(HeartbeatLink, RefusesImpossibleOptionsByName) {
  const auto first = open_link();
  const auto taken = HeartbeatLink::open({.bind = {"127.0.0.1", first->port()}});
  ASSERT_FALSE(taken.has_value());
  EXPECT_EQ(taken.error().code(), ErrorCode::kIo);
  EXPECT_NE(taken.error().message().find("taken by another process"), std::string::npos);
  for (const char* host : {"", "localhost", "127.0.0.1.1", "[::1]", "192.0.2.1"}) {
    const auto link = HeartbeatLink::open({.bind = {host, 0}});
    ASSERT_FALSE(link.has_value()) << host;
    EXPECT_EQ(link.error().code(), ErrorCode::kUsage) << host;
  }
  for (const auto& spoil : std::vector<std::function<void(HeartbeatSession&)>>{
           [](HeartbeatSession& s) { s.peer.port = 0; },
           [](HeartbeatSession& s) { s.peer.host = "peer.example"; },
           [](HeartbeatSession& s) { s.peer.host = "::1"; },
           [](HeartbeatSession& s) { s.heartbeat_ms = 0; },
           [](HeartbeatSession& s) { s.heartbeat_ms = kHeartbeatMsMax + 1; }}) {
    HeartbeatSession session = session_to(1, HeartbeatSide::kPrimary);
    spoil(session);
    EXPECT_EQ(first->start_session(session).error().code(), ErrorCode::kUsage);
  }
}

TEST_F(HeartbeatTest, SendsAtOnceWhatThePeerCanRead) {
  ASSERT_TRUE(wait_readable(stranger_.descriptor()));
  std::array<std::uint8_t, 100> buffer{};
  const auto size = stranger_.receive(buffer);
  ASSERT_TRUE(size.has_value());
  const auto received = decode_heartbeat(ByteView(buffer).first(size->size_bytes),
                                         HeartbeatSide::kBackup, test_key(1));
  ASSERT_TRUE(received.has_value()) << received.error().message();
  EXPECT_EQ(received->number, 1u);
}

TEST_F(HeartbeatTest, OldAndRepeatedNumbersAreDropped) {
  expect_next(5);
  send(heartbeat(5));
  send(heartbeat(4));
  send(heartbeat(0));
  expect_next(6);
  expect_next(~std::uint64_t{0});
  EXPECT_EQ(link_->counters().stale, 3u);
  EXPECT_EQ(link_->counters().accepted, 3u);
  EXPECT_EQ(link_->counters().rejected, 0u);
}

TEST_F(HeartbeatTest, AHigherEpochCountsAnewAndALowerOneIsStale) {
  expect_next(1000);
  Heartbeat higher = heartbeat(1);
  higher.epoch = {8};
  send(higher);
  const auto received = next(*link_);
  ASSERT_TRUE(received.has_value());
  EXPECT_EQ(received->heartbeat, higher);
  send(heartbeat(1001));  // Of epoch 7: whoever says this was overtaken.
  higher.number = 2;
  send(higher);
  EXPECT_EQ(next(*link_)->heartbeat, higher);
  EXPECT_EQ(link_->counters().stale, 1u);
}

TEST_F(HeartbeatTest, GarbageForgeriesAndEchoesAreCountedAndDropped) {
  const auto good = encode_heartbeat(heartbeat(1), HeartbeatSide::kPrimary, test_key(1));
  std::uint64_t rejected = 0;
  for (std::size_t size = 0; size < good.size(); ++size, ++rejected) {
    send(ByteView(good).first(size));
  }
  for (std::size_t at = 0; at < good.size(); ++at, ++rejected) {
    auto flipped = good;
    flipped[at] ^= 1;
    send(flipped);
  }
  const Bytes large(60'000, 0xff);
  Heartbeat other_session = heartbeat(1);
  other_session.session = test_uuid(3);
  send(large);
  send(heartbeat(1), HeartbeatSide::kPrimary, test_key(2));
  send(heartbeat(1), HeartbeatSide::kBackup);  // Our own, thrown back.
  send(other_session);
  rejected += 4;
  expect_next(1);
  EXPECT_EQ(link_->counters().rejected, rejected);
  EXPECT_EQ(link_->counters().accepted, 1u);
}

TEST_F(HeartbeatTest, ANewSessionBeginsAgainAndForgetsTheOldOne) {
  expect_next(1000);
  send(heartbeat(1001));
  HeartbeatSession session = session_to(stranger_.port(), HeartbeatSide::kBackup);
  session.session = test_uuid(9);
  session.key = test_key(9);
  session.epoch = {8};
  ASSERT_TRUE(link_->start_session(session).has_value());
  EXPECT_FALSE(link_->poll().has_value()) << "there before, of the old session";
  EXPECT_EQ(link_->counters().rejected, 1u);
  send(heartbeat(1002));
  const Heartbeat fresh{test_uuid(9), Epoch{8}, 1, Tick{1}, false};
  send(fresh, HeartbeatSide::kPrimary, test_key(9));
  const auto received = next(*link_);
  ASSERT_TRUE(received.has_value());
  EXPECT_EQ(received->heartbeat, fresh);
}

TEST_F(HeartbeatTest, WhatNobodyTakesIsBoundedAndComesInOrder) {
  constexpr std::uint64_t kCount = 20'000;
  for (std::uint64_t number = 1; number <= kCount; ++number) send(heartbeat(number));
  std::uint64_t taken = 0;
  while (const auto received = link_->poll()) EXPECT_EQ(received->heartbeat.number, ++taken);
  EXPECT_GT(taken, 20u) << "what comes while a node is busy";
  EXPECT_LT(taken, kCount);
  expect_next(kCount + 1);
}

/// A system that has just been asked for the first time begins to stamp datagrams a little later.
TEST_F(HeartbeatTest, ComesWhenItArrivedHoweverLateItIsTaken) {
  const auto now = [] {
    return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
  };
  std::uint64_t number = 0;
  EXPECT_TRUE(eventually([&] {
    EXPECT_FALSE(link_->poll().has_value());
    const auto before = now();
    send(heartbeat(++number));
    const auto after = now();
    while (now() < after + 50'000'000) {
    }
    const auto received = link_->poll();
    // Two clocks, read one after the other.
    return received && received->at.ns >= before - 1'000'000 &&
           received->at.ns <= after + 10'000'000;
  }));
}

TEST(HeartbeatLink, AFloodOfGarbageDoesNotSilenceIt) {
  const auto primary = open_link();
  const auto backup = open_link();
  std::atomic<bool> stop{false};
  std::thread flood([&] {
    const auto socket = UdpSocket::bind({"127.0.0.1", 0});
    const UdpAddress target = *socket->resolve({"127.0.0.1", primary->port()});
    const Bytes garbage(kHeartbeatBytes, 'F');
    while (!stop) socket->send_to(target, garbage);
  });
  ASSERT_TRUE(
      backup->start_session(session_to(primary->port(), HeartbeatSide::kBackup)).has_value());
  ASSERT_TRUE(
      primary->start_session(session_to(backup->port(), HeartbeatSide::kPrimary)).has_value());
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(next(*backup).has_value());
  ASSERT_TRUE(eventually([&] {
    (void)primary->poll();
    return primary->counters().rejected > 100;
  }));
  stop = true;
  flood.join();
}

}  // namespace
}  // namespace ftvm::ftcore
