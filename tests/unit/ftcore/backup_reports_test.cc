// What a backup acknowledges and reports, and when.
#include <gtest/gtest.h>

#include "ftcore/protocol/backup_session.h"
#include "ftcore/protocol/hello_check.h"
#include "tests/unit/ftcore/session_fixture.h"

namespace ftvm::ftcore {
namespace {

using namespace test;

TEST(BackupReports, DeliversFirstAndAcknowledgesThen) {
  BackupFixture f;
  f.protect();
  const Actions delivered = f.send(ConsoleBytes{0, {1}});
  ASSERT_NE(delivered.find<Deliver>(), nullptr);
  EXPECT_EQ(delivered.sent<Ack>(), nullptr);
  EXPECT_EQ(f.backup.next_due(), f.now()) << "as soon as nothing more comes with it";
  f.backup.on_tick(f.now());
  const Actions acknowledged = f.poll();
  ASSERT_NE(acknowledged.sent<Ack>(), nullptr);
  EXPECT_EQ(acknowledged.sent<Ack>()->accepted, JournalSeq{f.seq});
  EXPECT_GT(f.backup.next_due(), f.now());
}

TEST(BackupReports, ItsAcknowledgementOfRecordsKnowsTheGrantThatCameWithThem) {
  BackupFixture f;
  f.protect();
  f.say(Progress{{1'000}, {f.seq}, 1'000});
  f.ms += 10;
  f.backup.on_executed({1'000}, {f.seq}, f.now());  // Ten times slower than the primary.
  f.poll();
  f.tick = 2'000;
  f.send(ConsoleBytes{0, {1}});
  f.say(Progress{{9'000}, {f.seq}, 9'000});
  f.backup.on_tick(f.now());
  const Actions actions = f.poll();
  ASSERT_NE(actions.sent<Ack>(), nullptr);
  EXPECT_NEAR(static_cast<double>(actions.sent<Ack>()->backlog_us), 80'000, 1'000);
}

TEST(BackupReports, ReportsRoomAtOnceWhenThePrimaryMayWaitForIt) {
  BackupSession::Options options = BackupFixture::defaults();
  options.queue_bytes_max = kRecordCostMax;
  BackupFixture f(std::move(options));
  f.protect();
  f.send(DiskDone{1, 0, Bytes(3'000'000)});
  f.backup.on_executed({f.tick}, {f.seq}, f.now());
  const Actions room = f.poll();
  ASSERT_NE(room.sent<Ack>(), nullptr);
  EXPECT_EQ(room.sent<Ack>()->room_bytes, kRecordCostMax);
}

TEST(BackupReports, LooksFourTimesInTheShortestDetectionTime) {
  BackupFixture f;
  Welcome welcome = f.welcome();
  welcome.detection_ms = kDetectionMsMin;
  welcome.heartbeat_ms = 5;
  f.say(welcome);
  f.backup.on_tick(f.now());
  EXPECT_LE(f.backup.next_due().ns, f.now().ns + kDetectionMsMin * kNsPerMs / 4);
}

TEST(BackupReports, SaysWhenItHasSomethingToDo) {
  BackupFixture f;
  f.protect();
  f.ms += 30;
  f.backup.on_tick(f.now());
  EXPECT_EQ(f.backup.next_due().ns, f.now().ns + SessionCore::kTickNsMax) << "nothing waits";
  f.say(Progress{{1'000'000}, {f.seq}});
  f.ms += 25;
  f.backup.on_executed({1000}, {f.seq}, f.now());
  ASSERT_NE(f.poll().sent<Ack>(), nullptr);
  f.ms += 20;
  f.backup.on_executed({2000}, {f.seq}, f.now());
  EXPECT_LE(f.backup.next_due().ns, f.now().ns + 5 * kNsPerMs) << "25 ms behind the last";
}

TEST(BackupReports, SaysHowFarItsExecutionIsBehind) {
  BackupFixture f;
  f.protect();
  f.say(Progress{{1'000'000}, {f.seq}, 50'000});
  f.ms += 50;
  f.backup.on_executed({500'000}, {f.seq}, f.now());
  const Actions behind = f.poll();
  ASSERT_NE(behind.sent<Ack>(), nullptr);
  EXPECT_EQ(behind.sent<Ack>()->lag_us, 50'000u);
  EXPECT_NEAR(static_cast<double>(behind.sent<Ack>()->backlog_us), 50'000, 1'000)
      << "another 25 ms of the primary's, at half its speed";
  f.ms += 60;
  f.backup.on_tick(f.now());
  EXPECT_EQ(f.poll().sent<Ack>()->lag_us, 110'000u) << "also when it stands still";
  f.backup.on_executed({1'000'000}, {f.seq}, f.now());
  f.ms += 25;
  f.backup.on_tick(f.now());
  EXPECT_EQ(f.poll().sent<Ack>()->lag_us, 0u);
}

TEST(BackupReports, ReportsExecutionMoreOftenWhenItIsBehind) {
  BackupFixture f;
  f.protect();
  const auto reports = [&f](std::uint64_t executed_a_ms) {
    int acks = 0;
    for (int i = 1; i <= 100; ++i) {
      ++f.ms;
      f.backup.on_executed({executed_a_ms * static_cast<std::uint64_t>(f.ms)}, {f.seq}, f.now());
      acks += f.poll().sent<Ack>() != nullptr;
    }
    return acks;
  };
  for (int i = 0; i < 25; ++i) {  // At once, whatever it may.
    f.say(Progress{{static_cast<std::uint64_t>(1'000 * (f.ms + 4))}, {f.seq}});
    int acks = 0;
    for (int k = 0; k < 4; ++k) {
      ++f.ms;
      f.backup.on_executed({static_cast<std::uint64_t>(1'000 * f.ms)}, {f.seq}, f.now());
      acks += f.poll().sent<Ack>() != nullptr;
    }
    EXPECT_LE(acks, 1);
  }
  f.say(Progress{{1'000'000'000}, {f.seq}});
  EXPECT_LE(reports(1'000), 8);
  EXPECT_GE(reports(1'000), 9) << "now behind by more than kBehindMs";
}

}  // namespace
}  // namespace ftvm::ftcore
