// Both ends of the channel's credit: the primary's buffer and the backup's inbox.
#include "ftcore/protocol/journal_buffer.h"

#include <gtest/gtest.h>

#include <vector>

#include "emulator/base/prng.h"
#include "ftcore/protocol/journal_inbox.h"

namespace ftvm::ftcore {
namespace {

using replay::Record;
constexpr HostTime at_ms(std::int64_t ms) {
  return {ms * kNsPerMs};
}
constexpr std::uint64_t kRoom = std::uint64_t{16} << 20;

Record input(std::uint64_t seq, std::uint64_t tick, std::size_t size = 0) {
  return {JournalSeq{seq}, Tick{tick}, Endpoint::kConsole, ConsoleBytes{0, Bytes(size)}};
}
Record end(std::uint64_t seq, std::uint64_t tick) {
  return {JournalSeq{seq}, Tick{tick}, Endpoint::kPower, replay::End{EndReason::kPowerOff, {}}};
}

/// A buffer behind record 0 with all the room of the world.
JournalBuffer buffer_with_room(std::uint64_t room = kRoom) {
  JournalBuffer buffer({});
  buffer.start({0});
  EXPECT_TRUE(buffer.on_ack({0}, room).has_value());
  return buffer;
}

TEST(JournalBuffer, SendsNothingBeforeItKnowsTheBackupsRoom) {
  JournalBuffer buffer({});
  buffer.start({0});
  buffer.append(input(1, 1), at_ms(0));
  buffer.want_flush();
  EXPECT_TRUE(buffer.take_batch(at_ms(30)).empty());
  EXPECT_TRUE(buffer.blocked());
  ASSERT_TRUE(buffer.on_ack({0}, kRoom).has_value());
  EXPECT_EQ(buffer.take_batch(at_ms(30)).size(), 1u);
}

TEST(JournalBuffer, FlushesAtOnceOnlyWhenAnOutputWaits) {
  JournalBuffer buffer = buffer_with_room();
  buffer.append(input(1, 1), at_ms(0));
  EXPECT_TRUE(buffer.take_batch(at_ms(0)).empty());
  buffer.append(input(2, 1), at_ms(0));
  buffer.want_flush();
  EXPECT_EQ(buffer.take_batch(at_ms(0)).size(), 2u);
  buffer.append(input(3, 1), at_ms(0));
  EXPECT_TRUE(buffer.take_batch(at_ms(0)).empty()) << "the wish was for what was there";
  EXPECT_TRUE(buffer.take_batch(at_ms(19)).empty());
  EXPECT_EQ(buffer.take_batch(at_ms(20)).size(), 1u) << "no record waits longer";
}

TEST(JournalBuffer, FlushesWhenThereIsEnoughForAMessage) {
  JournalBuffer buffer = buffer_with_room();
  buffer.append(input(1, 1, 40'000), at_ms(0));
  EXPECT_TRUE(buffer.take_batch(at_ms(0)).empty());
  buffer.append(input(2, 1, 40'000), at_ms(0));
  EXPECT_EQ(buffer.take_batch(at_ms(0)).size(), 1u) << "the two do not fit into one message";
}

TEST(JournalBuffer, AMessageHasALimitedNumberOfRecords) {
  JournalBuffer buffer(
      {.bytes_max = std::uint64_t{64} << 20, .flush_bytes = std::uint64_t{32} << 20});
  buffer.start({0});
  ASSERT_TRUE(buffer.on_ack({0}, kRoom).has_value());
  for (std::uint64_t seq = 1; seq <= 3000; ++seq) buffer.append(input(seq, seq), at_ms(0));
  buffer.want_flush();
  EXPECT_EQ(buffer.take_batch(at_ms(0)).size(), JournalBuffer::kBatchRecordsMax);
  EXPECT_EQ(buffer.take_batch(at_ms(0)).size(), JournalBuffer::kBatchRecordsMax);
  EXPECT_EQ(buffer.take_batch(at_ms(0)).size(), 3000 - 2 * JournalBuffer::kBatchRecordsMax);
  EXPECT_TRUE(buffer.take_batch(at_ms(0)).empty());
}

TEST(JournalBuffer, IsFullUntilTheBackupAcknowledges) {
  JournalBuffer buffer({.bytes_max = 2 * kRecordCostMax});
  buffer.start({0});
  ASSERT_TRUE(buffer.on_ack({0}, kRoom).has_value());
  std::uint64_t seq = 0;
  while (!buffer.full()) {
    ++seq;
    buffer.append(input(seq, seq, 60'000), at_ms(0));
  }
  EXPECT_GE(buffer.bytes(), 2 * kRecordCostMax);
  buffer.want_flush();
  while (!buffer.take_batch(at_ms(0)).empty()) {
  }
  EXPECT_TRUE(buffer.full()) << "sent is not acknowledged";
  ASSERT_TRUE(buffer.on_ack({seq}, kRoom).has_value());
  EXPECT_FALSE(buffer.full());
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.bytes(), 0u);
}

TEST(JournalBuffer, StopsWhereTheBackupsRoomEnds) {
  const std::uint64_t cost = kRecordOverheadBytes + 1000;
  JournalBuffer buffer = buffer_with_room(2 * cost);
  for (std::uint64_t seq = 1; seq <= 3; ++seq) buffer.append(input(seq, seq, 1000), at_ms(0));
  buffer.want_flush();
  EXPECT_EQ(buffer.take_batch(at_ms(0)).size(), 2u);
  EXPECT_TRUE(buffer.blocked());
  EXPECT_TRUE(buffer.take_batch(at_ms(100)).empty());
  ASSERT_TRUE(buffer.on_ack({2}, 0).has_value()) << "accepted, but not yet consumed";
  EXPECT_TRUE(buffer.blocked());
  ASSERT_TRUE(buffer.on_ack({2}, cost).has_value());
  EXPECT_FALSE(buffer.blocked());
  EXPECT_EQ(buffer.take_batch(at_ms(100)).size(), 1u);
}

TEST(JournalBuffer, GrantsOnlyWhatIsSentUpTo) {
  JournalBuffer buffer = buffer_with_room();
  EXPECT_EQ(buffer.grant_limit({500}), Tick{500});
  buffer.append(input(1, 300), at_ms(0));
  EXPECT_EQ(buffer.grant_limit({500}), Tick{299});
  buffer.want_flush();
  ASSERT_EQ(buffer.take_batch(at_ms(0)).size(), 1u);
  EXPECT_EQ(buffer.grant_limit({500}), Tick{500}) << "the grant says that it stands behind it";
  buffer.append(input(2, 400), at_ms(0));
  EXPECT_EQ(buffer.grant_limit({500}), Tick{399});
}

TEST(JournalBuffer, RefusesAcknowledgementsThatCanNotBe) {
  JournalBuffer buffer = buffer_with_room();
  for (std::uint64_t seq = 1; seq <= 3; ++seq) buffer.append(input(seq, seq), at_ms(0));
  EXPECT_EQ(buffer.on_ack({1}, kRoom).error().code(), ErrorCode::kBadData) << "never sent";
  buffer.want_flush();
  ASSERT_EQ(buffer.take_batch(at_ms(0)).size(), 3u);
  ASSERT_TRUE(buffer.on_ack({2}, kRoom).has_value());
  EXPECT_EQ(buffer.on_ack({1}, kRoom).error().code(), ErrorCode::kBadData) << "taken back";
  EXPECT_EQ(buffer.on_ack({4}, kRoom).error().code(), ErrorCode::kBadData);
  EXPECT_EQ(buffer.on_ack({2}, 1).error().code(), ErrorCode::kBadData) << "room taken back";
  EXPECT_EQ(buffer.accepted(), JournalSeq{2}) << "nothing has changed";
  ASSERT_TRUE(buffer.on_ack({3}, kRoom).has_value());
}

TEST(JournalBuffer, ChargesWhatARecordCarries) {
  EXPECT_EQ(record_cost_bytes(input(1, 1, 77)), kRecordOverheadBytes + 77);
  EXPECT_EQ(record_cost_bytes(end(1, 1)), kRecordOverheadBytes);
  const Record frame{{1}, {1}, Endpoint::kNet0, NetFrame{Bytes(1514)}};
  EXPECT_EQ(record_cost_bytes(frame), kRecordOverheadBytes + 1514);
  const Record disk{{1}, {1}, Endpoint::kDisk0, DiskDone{1, 0, Bytes(4096)}};
  EXPECT_EQ(record_cost_bytes(disk), kRecordOverheadBytes + 4096);
}

TEST(JournalBuffer, RefusesAGapFromItsOwnSide) {
  JournalBuffer buffer = buffer_with_room();
  buffer.append(input(1, 10), at_ms(0));
  EXPECT_DEATH(buffer.append(input(3, 10), at_ms(0)), "assertion");
  EXPECT_DEATH(buffer.append(input(2, 9), at_ms(0)), "assertion");
}

JournalInbox inbox_of(std::uint64_t bytes_max = kRecordCostMax) {
  return JournalInbox({.bytes_max = bytes_max, .after = {0}, .start = {0}});
}
bool takes(JournalInbox& inbox, const std::vector<Record>& records) {
  return inbox.accept(records).has_value();
}

TEST(JournalInbox, TakesConsecutiveRecordsAndCountsThem) {
  JournalInbox inbox = inbox_of();
  const std::uint64_t room = inbox.room_bytes();
  EXPECT_TRUE(takes(inbox, {input(1, 5, 100), input(2, 5)}));
  EXPECT_EQ(inbox.accepted(), JournalSeq{2});
  EXPECT_EQ(inbox.limit(), Tick{5});
  EXPECT_EQ(inbox.room_bytes(), room - 2 * kRecordOverheadBytes - 100);
  inbox.consume({1});
  EXPECT_EQ(inbox.room_bytes(), room - kRecordOverheadBytes);
  inbox.consume({2});
  EXPECT_EQ(inbox.room_bytes(), room);
}

TEST(JournalInbox, TakesAllOfAMessageOrNothing) {
  JournalInbox inbox = inbox_of();
  ASSERT_TRUE(takes(inbox, {input(1, 5)}));
  EXPECT_FALSE(takes(inbox, {input(3, 6)})) << "a gap";
  EXPECT_FALSE(takes(inbox, {input(1, 5)})) << "a repetition";
  EXPECT_FALSE(takes(inbox, {input(2, 6), input(4, 6)})) << "a gap inside";
  EXPECT_FALSE(takes(inbox, {input(2, 4)})) << "a tick that falls";
  EXPECT_FALSE(takes(inbox, {end(2, 6), input(3, 6)})) << "behind the end";
  EXPECT_EQ(inbox.accepted(), JournalSeq{1});
  EXPECT_TRUE(takes(inbox, {end(2, 6)}));
  EXPECT_FALSE(takes(inbox, {input(3, 6)}));
}

TEST(JournalInbox, RefusesMoreThanItsRoom) {
  JournalInbox inbox = inbox_of();
  std::uint64_t seq = 0;
  while (inbox.room_bytes() >= kRecordOverheadBytes + 60'000) {
    ++seq;
    ASSERT_TRUE(takes(inbox, {input(seq, 1, 60'000)}));
  }
  EXPECT_FALSE(takes(inbox, {input(seq + 1, 1, 60'000)}));
  inbox.consume({1});
  EXPECT_TRUE(takes(inbox, {input(seq + 1, 1, 60'000)}));
}

TEST(JournalInbox, AGrantIsNeverTakenBackNorUndercut) {
  JournalInbox inbox = inbox_of();
  EXPECT_TRUE(inbox.grant({100}));
  EXPECT_FALSE(inbox.grant({99}));
  EXPECT_TRUE(inbox.grant({100}));
  EXPECT_FALSE(takes(inbox, {input(1, 99)})) << "the machine may have passed it already";
  EXPECT_TRUE(takes(inbox, {input(1, 100)}));
}

TEST(JournalCredit, NeitherSideEverOverrunsTheOther) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Prng rng(seed);
    JournalBuffer buffer({.bytes_max = 2 * kRecordCostMax});
    buffer.start({0});
    JournalInbox inbox = inbox_of();
    ASSERT_TRUE(buffer.on_ack({0}, inbox.room_bytes()).has_value());
    std::uint64_t seq = 0;
    std::vector<std::pair<JournalSeq, std::uint64_t>> acks;  // In flight.
    for (int i = 0; i < 400; ++i) {
      if (!buffer.full()) {
        ++seq;
        buffer.append(input(seq, seq, rng.below(60'000)), at_ms(i));
      }
      if (rng.chance(1, 3)) buffer.want_flush();
      const std::vector<Record> batch = buffer.take_batch(at_ms(i));
      if (!batch.empty()) {
        ASSERT_TRUE(takes(inbox, batch)) << "seed " << seed;
        acks.emplace_back(inbox.accepted(), inbox.room_bytes());
      }
      const std::uint64_t ready = inbox.accepted().value - inbox.consumed().value;
      inbox.consume({inbox.consumed().value + rng.below(ready + 1)});
      if (rng.chance(1, 4)) acks.emplace_back(inbox.accepted(), inbox.room_bytes());
      if (!acks.empty() && rng.chance(1, 2)) {
        ASSERT_TRUE(buffer.on_ack(acks.front().first, acks.front().second).has_value());
        acks.erase(acks.begin());
      }
    }
  }
}

}  // namespace
}  // namespace ftvm::ftcore
