// The test-and-set on a shared directory: one winner whatever happens, and "unknown" whenever the
// file does not prove more. Real directories, real file systems that are full or read-only.
#include "ftcore/arbiter/file_arbiter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <barrier>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

#include "emulator/base/kill_point.h"
#include "tests/unit/ftcore/transport_test_util.h"

namespace ftvm::ftcore {
namespace {

const Uuid kPair = test_uuid(1);
const Uuid kMe = test_uuid(2);
const Uuid kOther = test_uuid(3);
constexpr Epoch kEpoch{7};
constexpr int kRounds = 200;
constexpr int kRacers = 8;

class FileArbiterTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string winner_path(Epoch epoch = kEpoch) const {
    return folder_.file(kPair.hex() + ".epoch-" + std::to_string(epoch.value));
  }
  [[nodiscard]] std::string open_path() const { return winner_path() + ".open"; }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      all.push_back(entry.path().filename());
    }
    std::sort(all.begin(), all.end());
    return all;
  }
  explicit FileArbiterTest(const std::string& parent = ::testing::TempDir()) : folder_(parent) {}
  TempDir folder_;
  FileArbiter arbiter_{folder_.path()};
};

class DamagedSlotTest : public FileArbiterTest {
 protected:
  DamagedSlotTest() : FileArbiterTest(memory_folder()) {}
};

TEST_F(FileArbiterTest, FirstWinsSecondLosesAndBothMayAskAgain) {
  ASSERT_EQ(arbiter_.open(kPair, kEpoch, kMe), SlotAnswer::kOpened) << arbiter_.reason();
  FileArbiter other(folder_.path());
  for (int repeat = 0; repeat < 3; ++repeat) {
    EXPECT_EQ(arbiter_.test_and_set(kPair, kEpoch, kMe), ArbiterAnswer::kWon) << arbiter_.reason();
    EXPECT_EQ(other.test_and_set(kPair, kEpoch, kOther), ArbiterAnswer::kLost) << other.reason();
  }
  EXPECT_EQ(read_text(winner_path()), arbiter_slot_text("winner", kPair, kEpoch, kMe));
  EXPECT_EQ(names().size(), 2u) << "private files must not stay behind";
}

TEST_F(FileArbiterTest, TheBackupMayWinTheSlotThatThePrimaryOpened) {
  ASSERT_EQ(arbiter_.open(kPair, kEpoch, kMe), SlotAnswer::kOpened);
  EXPECT_EQ(arbiter_.test_and_set(kPair, kEpoch, kOther), ArbiterAnswer::kWon);
  EXPECT_EQ(arbiter_.test_and_set(kPair, kEpoch, kMe), ArbiterAnswer::kLost);
}

TEST_F(FileArbiterTest, TwoPrimariesOfOnePairAreRefused) {
  EXPECT_EQ(arbiter_.open(kPair, kEpoch, kMe), SlotAnswer::kOpened);
  EXPECT_EQ(arbiter_.open(kPair, kEpoch, kMe), SlotAnswer::kOpened);
  EXPECT_EQ(arbiter_.open(kPair, kEpoch, kOther), SlotAnswer::kTaken);
  EXPECT_NE(arbiter_.reason().find("another primary"), std::string::npos) << arbiter_.reason();
}

TEST_F(FileArbiterTest, ASlotThatIsSetCannotBeOpenedAgain) {
  ASSERT_EQ(arbiter_.open(kPair, kEpoch, kMe), SlotAnswer::kOpened);
  ASSERT_EQ(arbiter_.test_and_set(kPair, kEpoch, kMe), ArbiterAnswer::kWon);
  EXPECT_EQ(arbiter_.open(kPair, kEpoch, kMe), SlotAnswer::kTaken);
  EXPECT_NE(arbiter_.reason().find("epoch 7 is over"), std::string::npos) << arbiter_.reason();
}

TEST_F(FileArbiterTest, PairsAndEpochsDoNotTouchEachOther) {
  for (const Uuid& pair : {kPair, test_uuid(9)}) {
    for (const Epoch epoch : {Epoch{0}, Epoch{7}, Epoch{~std::uint64_t{0}}}) {
      const Uuid& winner = epoch.value == 7 ? kMe : kOther;
      const Uuid& loser = epoch.value == 7 ? kOther : kMe;
      ASSERT_EQ(arbiter_.open(pair, epoch, kMe), SlotAnswer::kOpened);
      EXPECT_EQ(arbiter_.test_and_set(pair, epoch, winner), ArbiterAnswer::kWon);
      EXPECT_EQ(arbiter_.test_and_set(pair, epoch, loser), ArbiterAnswer::kLost);
    }
  }
}

TEST_F(FileArbiterTest, ASlotThatWasNeverOpenedHereIsUnknown) {
  EXPECT_EQ(arbiter_.test_and_set(kPair, kEpoch, kMe), ArbiterAnswer::kUnknown);
  EXPECT_NE(arbiter_.reason().find("is this the directory that the primary uses?"),
            std::string::npos)
      << arbiter_.reason();
  EXPECT_TRUE(names().empty());
}

TEST_F(FileArbiterTest, ALostReplyIsNotALoss) {
  ASSERT_EQ(arbiter_.open(kPair, kEpoch, kMe), SlotAnswer::kOpened);
  // What a link(2) leaves whose reply never came back.
  write_text(winner_path(), arbiter_slot_text("winner", kPair, kEpoch, kMe));
  EXPECT_EQ(arbiter_.test_and_set(kPair, kEpoch, kMe), ArbiterAnswer::kWon);
}

TEST_F(DamagedSlotTest, ATornSlotIsUnknownAtEveryLength) {
  ASSERT_EQ(arbiter_.open(kPair, kEpoch, kMe), SlotAnswer::kOpened);
  const std::string text = arbiter_slot_text("winner", kPair, kEpoch, kMe);
  for (std::size_t size = 0; size < text.size(); ++size) {
    write_text(winner_path(), text.substr(0, size));
    EXPECT_EQ(arbiter_.test_and_set(kPair, kEpoch, kMe), ArbiterAnswer::kUnknown) << size;
    EXPECT_EQ(arbiter_.open(kPair, kEpoch, kMe), SlotAnswer::kUnreachable) << size;
  }
  for (const char* more : {"\n", "x", "incarnation 0\n"}) {
    write_text(winner_path(), text + more);
    EXPECT_EQ(arbiter_.test_and_set(kPair, kEpoch, kMe), ArbiterAnswer::kUnknown);
  }
  write_text(winner_path(), std::string(1 << 20, 'x'));
  EXPECT_EQ(arbiter_.test_and_set(kPair, kEpoch, kMe), ArbiterAnswer::kUnknown);
}

TEST_F(DamagedSlotTest, NoFlippedByteMakesAWinner) {
  ASSERT_EQ(arbiter_.open(kPair, kEpoch, kMe), SlotAnswer::kOpened);
  const std::string text = arbiter_slot_text("winner", kPair, kEpoch, kMe);
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const int flip : {0x01, 0x20, 0x80}) {
      std::string flipped = text;
      flipped[at] = static_cast<char>(flipped[at] ^ flip);
      write_text(winner_path(), flipped);
      EXPECT_NE(arbiter_.test_and_set(kPair, kEpoch, kMe), ArbiterAnswer::kWon) << at;
    }
  }
}

TEST_F(DamagedSlotTest, TheSlotOfAnotherPairOrEpochInItsPlaceIsUnknown) {
  ASSERT_EQ(arbiter_.open(kPair, kEpoch, kMe), SlotAnswer::kOpened);
  for (const std::string& text : {arbiter_slot_text("winner", test_uuid(8), kEpoch, kMe),
                                  arbiter_slot_text("winner", kPair, Epoch{8}, kMe),
                                  arbiter_slot_text("open", kPair, kEpoch, kMe)}) {
    write_text(winner_path(), text);
    EXPECT_EQ(arbiter_.test_and_set(kPair, kEpoch, kMe), ArbiterAnswer::kUnknown);
  }
}

TEST_F(DamagedSlotTest, AnythingButAFileInTheSlotsPlaceIsUnknownAndDoesNotHang) {
  ASSERT_EQ(arbiter_.open(kPair, kEpoch, kMe), SlotAnswer::kOpened);
  ASSERT_EQ(::mkfifo(winner_path().c_str(), 0666), 0);
  EXPECT_EQ(arbiter_.test_and_set(kPair, kEpoch, kMe), ArbiterAnswer::kUnknown);
  std::filesystem::remove(winner_path());
  ASSERT_EQ(::mkdir(winner_path().c_str(), 0777), 0);
  EXPECT_EQ(arbiter_.test_and_set(kPair, kEpoch, kMe), ArbiterAnswer::kUnknown);
  std::filesystem::remove(winner_path());
  const std::string elsewhere = folder_.file("elsewhere");
  write_text(elsewhere, arbiter_slot_text("winner", kPair, kEpoch, kMe));
  ASSERT_EQ(::symlink(elsewhere.c_str(), winner_path().c_str()), 0);
  EXPECT_EQ(arbiter_.test_and_set(kPair, kEpoch, kMe), ArbiterAnswer::kUnknown);
}

TEST_F(FileArbiterTest, AMissingDirectoryIsUnreachableAndSaysSo) {
  FileArbiter arbiter(folder_.file("gone"));
  EXPECT_EQ(arbiter.open(kPair, kEpoch, kMe), SlotAnswer::kUnreachable);
  EXPECT_NE(arbiter.reason().find("is the shared storage mounted?"), std::string::npos);
  EXPECT_EQ(arbiter.test_and_set(kPair, kEpoch, kMe), ArbiterAnswer::kUnknown);
  EXPECT_NE(arbiter.reason().find("/gone"), std::string::npos) << arbiter.reason();
}

TEST_F(FileArbiterTest, AFileForADirectoryIsUnreachable) {
  write_text(folder_.file("file"), "x");
  FileArbiter arbiter(folder_.file("file"));
  EXPECT_EQ(arbiter.open(kPair, kEpoch, kMe), SlotAnswer::kUnreachable);
  EXPECT_NE(arbiter.reason().find("needs a directory"), std::string::npos) << arbiter.reason();
}

// Answers as one text, because they come from another process.
std::string ask_both(const std::string& path) {
  FileArbiter arbiter(path);
  std::string text(slot_answer_name(arbiter.open(kPair, Epoch{99}, kMe)));
  text += "; " + arbiter.reason() + "; ";
  text += arbiter_answer_name(arbiter.test_and_set(kPair, kEpoch, kMe));
  return text + "; " + arbiter.reason();
}

TEST_F(FileArbiterTest, ADirectoryOneMayNotWriteToIsUnreachable) {
  ASSERT_EQ(arbiter_.open(kPair, kEpoch, kMe), SlotAnswer::kOpened);
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0555), 0);
  const std::string text = in_child([this] {
    constexpr uid_t kNobody = 65534;
    if (::geteuid() == 0 && ::setuid(kNobody) != 0) return std::string("cannot become nobody");
    return ask_both(folder_.path());
  });
  ::chmod(folder_.path().c_str(), 0755);
  EXPECT_TRUE(text.starts_with("unreachable; ")) << text;
  EXPECT_NE(text.find("; unknown; "), std::string::npos) << text;
  EXPECT_NE(text.find("must be allowed to write"), std::string::npos) << text;
}

/// Runs `work` with a file system of two pages on `path` that no other process sees.
std::string on_small_file_system(const std::string& path,
                                 const std::function<std::string()>& work) {
  return in_child([&]() -> std::string {
    if (::unshare(CLONE_NEWNS) != 0) return "skip";
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return "skip";
    if (::mount("none", path.c_str(), "tmpfs", 0, "size=8k") != 0) return "skip";
    return work();
  });
}

TEST_F(FileArbiterTest, AFullDiskIsUnknownButALossCanStillBeRead) {
  const std::string text = on_small_file_system(folder_.path(), [this]() -> std::string {
    if (arbiter_.open(kPair, kEpoch, kMe) != SlotAnswer::kOpened) return arbiter_.reason();
    write_text(folder_.file("filler"), std::string(8192, 'x'));
    return ask_both(folder_.path());
  });
  if (text == "skip") GTEST_SKIP() << "mounting a tmpfs needs root";
  EXPECT_TRUE(text.starts_with("unreachable; ")) << text;
  EXPECT_NE(text.find("; unknown; "), std::string::npos) << text;
  EXPECT_NE(text.find("make room on the shared storage"), std::string::npos) << text;

  const std::string lost = on_small_file_system(folder_.path(), [this]() -> std::string {
    if (arbiter_.open(kPair, kEpoch, kMe) != SlotAnswer::kOpened) return arbiter_.reason();
    write_text(winner_path(), arbiter_slot_text("winner", kPair, kEpoch, kOther));
    write_text(folder_.file("filler"), std::string(8192, 'x'));
    return std::string(arbiter_answer_name(arbiter_.test_and_set(kPair, kEpoch, kMe)));
  });
  EXPECT_EQ(lost, "lost");
}

TEST_F(FileArbiterTest, AReadOnlyMountIsUnknownAndSaysSo) {
  ASSERT_EQ(arbiter_.open(kPair, kEpoch, kMe), SlotAnswer::kOpened);
  const std::string text = in_child([this]() -> std::string {
    const char* path = folder_.path().c_str();
    if (::unshare(CLONE_NEWNS) != 0) return "skip";
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return "skip";
    if (::mount(path, path, nullptr, MS_BIND, nullptr) != 0) return "skip";
    if (::mount(nullptr, path, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0) {
      return "skip";
    }
    return ask_both(folder_.path());
  });
  if (text == "skip") GTEST_SKIP() << "a read-only mount needs root";
  EXPECT_TRUE(text.starts_with("unreachable; ")) << text;
  EXPECT_NE(text.find("; unknown; "), std::string::npos) << text;
  EXPECT_NE(text.find("mounted read-only"), std::string::npos) << text;
}

TEST_F(FileArbiterTest, OfEightThreadsExactlyOneWinsEachRound) {
  std::array<std::array<ArbiterAnswer, kRacers>, kRounds> answers{};
  for (int round = 0; round < kRounds; ++round) {
    ASSERT_EQ(arbiter_.open(kPair, Epoch{static_cast<std::uint64_t>(round)}, kMe),
              SlotAnswer::kOpened);
  }
  std::barrier start(kRacers);
  std::vector<std::thread> threads;
  threads.reserve(kRacers);
  for (int racer = 0; racer < kRacers; ++racer) {
    threads.emplace_back([&, racer] {
      FileArbiter arbiter(folder_.path());
      const Uuid incarnation = test_uuid(static_cast<std::uint8_t>(100 + racer));
      for (int round = 0; round < kRounds; ++round) {
        start.arrive_and_wait();
        answers[static_cast<std::size_t>(round)][static_cast<std::size_t>(racer)] =
            arbiter.test_and_set(kPair, Epoch{static_cast<std::uint64_t>(round)}, incarnation);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& round : answers) {
    EXPECT_EQ(std::count(round.begin(), round.end(), ArbiterAnswer::kWon), 1);
    EXPECT_EQ(std::count(round.begin(), round.end(), ArbiterAnswer::kLost), kRacers - 1);
  }
}

TEST_F(FileArbiterTest, OneIncarnationAskingOnEightThreadsAlwaysWins) {
  ASSERT_EQ(arbiter_.open(kPair, kEpoch, kMe), SlotAnswer::kOpened);
  std::barrier start(kRacers);
  std::atomic<int> won{0};
  std::vector<std::thread> threads;
  threads.reserve(kRacers);
  for (int racer = 0; racer < kRacers; ++racer) {
    threads.emplace_back([&] {
      FileArbiter arbiter(folder_.path());
      start.arrive_and_wait();
      if (arbiter.test_and_set(kPair, kEpoch, kMe) == ArbiterAnswer::kWon) ++won;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(won, kRacers);
}

/// A barrier between processes.
struct SharedBarrier {
  explicit SharedBarrier(unsigned count)
      : barrier(static_cast<pthread_barrier_t*>(::mmap(nullptr, sizeof(pthread_barrier_t),
                                                       PROT_READ | PROT_WRITE,
                                                       MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
    pthread_barrierattr_t attributes;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(barrier, &attributes, count);
    pthread_barrierattr_destroy(&attributes);
  }
  ~SharedBarrier() { ::munmap(barrier, sizeof(pthread_barrier_t)); }
  void wait() const { pthread_barrier_wait(barrier); }
  pthread_barrier_t* barrier;
};

TEST_F(FileArbiterTest, OfEightProcessesExactlyOneWinsEachRound) {
  for (int round = 0; round < kRounds; ++round) {
    ASSERT_EQ(arbiter_.open(kPair, Epoch{static_cast<std::uint64_t>(round)}, kMe),
              SlotAnswer::kOpened);
  }
  const SharedBarrier start(kRacers);
  std::array<std::string, kRacers> answers;
  std::vector<std::thread> parents;
  parents.reserve(kRacers);
  for (int racer = 0; racer < kRacers; ++racer) {
    parents.emplace_back([&, racer] {
      answers[static_cast<std::size_t>(racer)] = in_child([&] {
        ::alarm(kWaitMs / 1000 * 10);  // One dead racer would leave the rest at the barrier.
        FileArbiter arbiter(folder_.path());
        const Uuid incarnation = test_uuid(static_cast<std::uint8_t>(100 + racer));
        std::string text;
        for (int round = 0; round < kRounds; ++round) {
          start.wait();
          text += arbiter_answer_name(arbiter.test_and_set(
              kPair, Epoch{static_cast<std::uint64_t>(round)}, incarnation))[0];
        }
        return text;
      });
    });
  }
  for (std::thread& parent : parents) parent.join();
  for (std::size_t round = 0; round < kRounds; ++round) {
    std::string letters;
    for (const std::string& text : answers) {
      ASSERT_EQ(text.size(), static_cast<std::size_t>(kRounds)) << text;
      letters += text[round];
    }
    EXPECT_EQ(std::count(letters.begin(), letters.end(), 'w'), 1) << letters;
    EXPECT_EQ(std::count(letters.begin(), letters.end(), 'l'), kRacers - 1) << letters;
  }
}

using FileArbiterDeathTest = FileArbiterTest;

TEST_F(FileArbiterDeathTest, WhoDiesBetweenLinkAndReadHasWon) {
  if (!kKillPointsCompiledIn) GTEST_SKIP() << "needs a build with FTVM_TEST_POINTS";
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  // The dying process is a new one with a folder of its own; the environment tells it ours.
  constexpr const char* kFolder = "FTVM_TEST_ARBITER_DIR";
  if (std::getenv(kFolder) == nullptr) {
    ASSERT_EQ(arbiter_.open(kPair, kEpoch, kMe), SlotAnswer::kOpened);
    ::setenv(kFolder, folder_.path().c_str(), 1);
    ::setenv("FTVM_KILL_AT", "arbiter.link_to_read", 1);
  }
  EXPECT_EXIT(
      {
        const char* folder = std::getenv(kFolder);
        if (folder == nullptr) ::_exit(1);
        FileArbiter dying(folder);
        dying.test_and_set(kPair, kEpoch, kMe);
        ::_exit(0);
      },
      ::testing::KilledBySignal(SIGKILL), "");
  ::unsetenv(kFolder);
  ::unsetenv("FTVM_KILL_AT");
  EXPECT_EQ(arbiter_.test_and_set(kPair, kEpoch, kOther), ArbiterAnswer::kLost);
  EXPECT_EQ(arbiter_.test_and_set(kPair, kEpoch, kMe), ArbiterAnswer::kWon);
}

TEST(KillPoint, ReadsNameAndCount) {
  EXPECT_EQ(parse_kill_request("a.b"), (KillRequest{"a.b", 1}));
  EXPECT_EQ(parse_kill_request("a.b:12"), (KillRequest{"a.b", 12}));
  for (const char* text :
       {"", ":1", "a:", "a:0", "a:-1", "a:1x", "a:1:2", "a:9999999999999999999"}) {
    EXPECT_FALSE(parse_kill_request(text).has_value()) << text;
  }
}

TEST(MakeArbiter, GivesBothNodesTheSameText) {
  const auto arbiter = make_arbiter("file:/mnt//shared/./a/../b/");
  ASSERT_TRUE(arbiter.has_value());
  EXPECT_EQ((*arbiter)->describe(), "file:/mnt/shared/b");
  EXPECT_EQ((*make_arbiter("file:/"))->describe(), "file:/");
  EXPECT_TRUE((*make_arbiter("file:here"))->describe().starts_with("file:/"));
}

TEST(MakeArbiter, RefusesWhatItDoesNotKnowAndSaysWhatItKnows) {
  for (const std::string option : {"", "file", "file:", "etcd:localhost", "FILE:/x"}) {
    const auto arbiter = make_arbiter(option);
    ASSERT_FALSE(arbiter.has_value()) << option;
    EXPECT_EQ(arbiter.error().code(), ErrorCode::kUsage);
    EXPECT_NE(arbiter.error().message().find("file:DIR"), std::string::npos);
  }
}

}  // namespace
}  // namespace ftvm::ftcore
