// Descriptors and whole files, with the ways in which the host says no.
#include "emulator/base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "emulator/base/scoped_fd.h"

namespace ftvm {
namespace {

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) != -1;
}

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    from.reset(ends[0]);
    to.reset(ends[1]);
  }
  ScopedFd from, to;
};

/// A folder of its own for each test.
class File : public ::testing::Test {
 protected:
  File() : folder_(::testing::TempDir() + "ftvm_file_XXXXXX") {
    EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
  }
  ~File() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }
  [[nodiscard]] std::size_t entries() const {
    const std::filesystem::directory_iterator all(folder_);
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }
  std::string folder_;
};

TEST(ScopedFd, ClosesWhatItOwnsOnceAndKeepsErrno) {
  Pipe pipe;
  const int fd = pipe.from.get();
  {
    ScopedFd first(pipe.from.release());
    EXPECT_FALSE(pipe.from);
    ScopedFd second(std::move(first));
    EXPECT_EQ(second.get(), fd);
    errno = EXDEV;
  }
  EXPECT_EQ(errno, EXDEV);
  EXPECT_FALSE(is_open(fd));
}

TEST(ScopedFd, AssignmentClosesWhatItOwnedBefore) {
  Pipe pipe;
  const int from = pipe.from.get();
  const int to = pipe.to.get();
  pipe.from = std::move(pipe.to);
  EXPECT_FALSE(is_open(from));
  EXPECT_TRUE(is_open(to));
  EXPECT_EQ(pipe.from.get(), to);
  pipe.from.reset();
  EXPECT_FALSE(is_open(to));
  EXPECT_FALSE(pipe.from);
}

TEST_F(File, ReadsBackWhatWasWritten) {
  Bytes bytes(3'000'000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i ^ (i >> 8));
  ASSERT_TRUE(write_file_atomic(path("a"), bytes, 0600));
  const Result<Bytes> read = read_file(path("a"), bytes.size());
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_TRUE(*read == bytes);
}

TEST_F(File, ReadsAnEmptyFile) {
  ASSERT_TRUE(write_file_atomic(path("a"), {}, 0600));
  EXPECT_TRUE(read_file(path("a"), 0).value().empty());
  EXPECT_TRUE(read_file(path("a"), static_cast<std::size_t>(-1)).value().empty());
}

TEST_F(File, RefusesAFileAboveTheLimit) {
  ASSERT_TRUE(write_file_atomic(path("a"), Bytes(11), 0600));
  EXPECT_TRUE(read_file(path("a"), 11));
  const Result<Bytes> read = read_file(path("a"), 10);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kBadData);
}

TEST_F(File, TellsAMissingFileFromOneThatCannotBeRead) {
  EXPECT_EQ(read_file(path("none"), 10).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(read_file(folder_, 10).error().code(), ErrorCode::kIo);
  EXPECT_EQ(read_file(path("none/below"), 10).error().code(), ErrorCode::kNotFound);
}

TEST_F(File, ReplacesAtomicallyWithTheModeAskedFor) {
  ASSERT_TRUE(write_file_atomic(path("a"), Bytes{1}, 0600));
  const mode_t umask_before = ::umask(077);
  EXPECT_TRUE(write_file_atomic(path("a"), Bytes{2, 3}, 0644));
  ::umask(umask_before);
  EXPECT_EQ(read_file(path("a"), 10).value(), (Bytes{2, 3}));
  struct stat info {};
  ASSERT_EQ(::stat(path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0644u);
  EXPECT_EQ(entries(), 1u) << "no temporary file is left";
}

TEST_F(File, FailedReplacementLeavesNothingBehind) {
  ASSERT_EQ(::mkdir(path("folder").c_str(), 0700), 0);
  const Status onto_folder = write_file_atomic(path("folder"), Bytes{1}, 0600);
  ASSERT_FALSE(onto_folder);
  EXPECT_EQ(onto_folder.error().code(), ErrorCode::kIo);
  EXPECT_NE(onto_folder.error().message().find(path("folder")), std::string::npos);
  EXPECT_EQ(entries(), 1u);
}

TEST_F(File, WritingIntoAMissingFolderIsNotFound) {
  const Status status = write_file_atomic(path("none/a"), Bytes{1}, 0600);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kNotFound);
}

TEST(WriteAll, ReportsAFullDisk) {
  const ScopedFd full(::open("/dev/full", O_WRONLY));
  ASSERT_TRUE(full);
  EXPECT_EQ(write_all(full.get(), Bytes{1}).error().code(), ErrorCode::kNoSpace);
}

TEST(WriteAll, ReportsAClosedPeer) {
  Pipe pipe;
  pipe.from.reset();
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  EXPECT_EQ(write_all(pipe.to.get(), Bytes{1}).error().code(), ErrorCode::kClosed);
  std::signal(SIGPIPE, before);
}

TEST(WriteAll, ReportsOtherErrors) {
  EXPECT_EQ(write_all(-1, Bytes{1}).error().code(), ErrorCode::kIo);
  EXPECT_TRUE(write_all(-1, {})) << "there is nothing to write";
}

std::atomic<int> signals_seen{0};

TEST(WriteAll, GoesOnAfterSignalsAndShortWrites) {
  struct sigaction action {};
  action.sa_handler = [](int) { ++signals_seen; };  // Without SA_RESTART: writes see EINTR.
  struct sigaction before {};
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);

  Pipe pipe;
  Bytes sent(1 << 20);
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<std::uint8_t>(i * 31 >> 3);
  Bytes received;
  const pthread_t writer = ::pthread_self();
  std::thread reader([&] {
    // The writer is stuck in a full pipe, or soon will be, while these arrive.
    while (signals_seen < 100) {
      ::pthread_kill(writer, SIGUSR1);
      std::this_thread::yield();
    }
    std::array<std::uint8_t, 4096> chunk;
    for (ssize_t got; (got = ::read(pipe.from.get(), chunk.data(), chunk.size())) > 0;) {
      received.insert(received.end(), chunk.begin(), chunk.begin() + got);
    }
  });
  EXPECT_TRUE(write_all(pipe.to.get(), sent));
  pipe.to.reset();
  reader.join();
  EXPECT_TRUE(received == sent);
  ::sigaction(SIGUSR1, &before, nullptr);
}

}  // namespace
}  // namespace ftvm
