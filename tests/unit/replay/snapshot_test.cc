// Snapshots of a toy image: round trips, cuts and damage anywhere, full disks.
#include "replay/snapshot.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "replay/frame.h"
#include "replay/snapshot_reader.h"
#include "tests/support/toy_image.h"
#include "tests/support/toy_machine.h"
#include "tests/unit/replay/replay_test_util.h"

namespace ftvm::replay {
namespace {

using test::ToyImage;

ToyImage some_image(std::uint64_t seed = 1) {
  ToyImage image;
  test::ToyRandom random(seed);
  image.tick_ = Tick{1 + random.below(1'000'000)};
  image.register_ = static_cast<std::uint16_t>(random.next());
  image.blob_ = Bytes(random.below(50), static_cast<std::uint8_t>(random.next()));
  // Chunk 1 stays all zero; chunk 3 has one byte, its last.
  for (std::size_t i = 0; i < 100; ++i) {
    image.ram_[random.below(kRamChunkBytes)] = static_cast<std::uint8_t>(random.next());
  }
  image.ram_[2 * kRamChunkBytes] = 1;
  image.ram_.back() = 0x7f;
  return image;
}

SnapshotPlace place_of(ToyImage& image) {
  return {.tick = image.tick(), .seq = {17}, .run_id = some_header().run_id};
}

MachineIdentity identity() {
  return some_header().identity;
}

class Snapshot : public ::testing::Test {
 protected:
  void save(ToyImage& image) {
    const Status saved = save_snapshot(path_, image, identity(), place_of(image));
    ASSERT_TRUE(saved) << saved.error().message();
  }
  std::vector<std::string> files() {
    std::vector<std::string> names;
    DIR* folder = ::opendir(dir_.file("").c_str());
    while (const dirent* entry = ::readdir(folder)) {
      if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
    }
    ::closedir(folder);
    return names;
  }
  TempDir dir_;
  std::string path_ = dir_.file("a.fts");
};

TEST_F(Snapshot, GivesBackTheMachineAndItsPlace) {
  ToyImage image = some_image();
  save(image);
  ToyImage other = some_image(99);
  const auto place = load_snapshot(path_, other, identity());
  ASSERT_TRUE(place) << place.error().message();
  EXPECT_EQ(*place, place_of(image));
  EXPECT_EQ(other.digest_all(), image.digest_all());
  EXPECT_EQ(other.ram_, image.ram_);
  EXPECT_EQ(other.loads, 1);
  const auto preamble = read_snapshot_preamble(path_);
  ASSERT_TRUE(preamble);
  EXPECT_EQ(preamble->place, place_of(image));
  EXPECT_EQ(preamble->identity, identity());
  EXPECT_EQ(preamble->ram_bytes, image.ram_.size());
}

TEST_F(Snapshot, LeavesZerosOutAndIsForItsOwnerOnly) {
  ToyImage image = some_image();
  save(image);
  const Bytes bytes = read_all(path_);
  EXPECT_LT(bytes.size(), 4'000u);
  int chunks = 0;
  FrameReader reader;
  reader.feed(bytes);
  for (FrameStep step = reader.next(); step.verdict == FrameVerdict::kFrame; step = reader.next()) {
    chunks += step.frame.type == FrameType::kSnapshotRam;
  }
  EXPECT_EQ(chunks, 3);
  struct stat what {};
  ASSERT_EQ(::stat(path_.c_str(), &what), 0);
  EXPECT_EQ(what.st_mode & 0777, 0600u);
}

TEST_F(Snapshot, KeepsALargeStateInPieces) {
  ToyImage image = some_image();
  test::ToyRandom random(5);
  image.blob_.resize(3'500'000);
  for (std::uint8_t& byte : image.blob_) byte = static_cast<std::uint8_t>(random.next());
  save(image);
  ToyImage other;
  ASSERT_TRUE(load_snapshot(path_, other, identity()));
  EXPECT_EQ(other.blob_, image.blob_);
}

TEST_F(Snapshot, ReplacesAFileInOneStepAndLeavesNothingBehind) {
  ToyImage first = some_image(1);
  ToyImage second = some_image(2);
  save(first);
  save(second);
  ToyImage loaded;
  ASSERT_TRUE(load_snapshot(path_, loaded, identity()));
  EXPECT_EQ(loaded.digest_all(), second.digest_all());
  EXPECT_EQ(files(), std::vector<std::string>{"a.fts"});
}

TEST_F(Snapshot, CutAnywhereIsRefusedAndTheMachineIsAsItWas) {
  ToyImage image = some_image();
  save(image);
  const Bytes whole = read_all(path_);
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    write_all_of(path_, ByteView(whole).first(cut));
    ToyImage mine = some_image(7);
    const Digest before = mine.digest_all();
    const auto place = load_snapshot(path_, mine, identity());
    ASSERT_FALSE(place) << cut;
    ASSERT_EQ(place.error().code(), ErrorCode::kTornTail) << place.error().message();
    ASSERT_EQ(mine.digest_all(), before);
  }
}

TEST_F(Snapshot, DamagedAnywhereIsRefusedAndTheMachineIsAsItWas) {
  ToyImage image = some_image();
  save(image);
  const Bytes whole = read_all(path_);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int change : {0x01, 0x80}) {
      Bytes damaged = whole;
      damaged[at] = static_cast<std::uint8_t>(damaged[at] ^ change);
      write_all_of(path_, damaged);
      ToyImage mine = some_image(7);
      const Digest before = mine.digest_all();
      const auto place = load_snapshot(path_, mine, identity());
      ASSERT_FALSE(place) << at;
      ASSERT_EQ(place.error().code(), ErrorCode::kBadData);
      ASSERT_EQ(mine.digest_all(), before);
    }
  }
}

TEST_F(Snapshot, OfAnotherMachineIsRefusedByTheNameOfTheField) {
  ToyImage image = some_image();
  save(image);
  MachineIdentity mine = identity();
  mine.board = "pc uart=1";
  ToyImage other = some_image(7);
  const Digest before = other.digest_all();
  auto place = load_snapshot(path_, other, mine);
  ASSERT_FALSE(place);
  EXPECT_EQ(place.error().code(), ErrorCode::kMismatch);
  EXPECT_EQ(place.error().message(),
            path_ + ": board is \"pc uart=2\" there and \"pc uart=1\" here");
  EXPECT_EQ(other.digest_all(), before);
  ToyImage larger(5);
  place = load_snapshot(path_, larger, identity());
  ASSERT_FALSE(place);
  EXPECT_EQ(place.error().code(), ErrorCode::kMismatch);
}

TEST_F(Snapshot, WithStateThatDoesNotFitPutsTheOldStateBack) {
  ToyImage image = some_image();
  const Bytes state{1, 2, 3};  // Too short for any ToyImage.
  Bytes file;
  append_frame(file, FrameType::kSnapshotPreamble,
               encode_snapshot_preamble({.place = place_of(image),
                                         .ram_bytes = image.ram_.size(),
                                         .state_bytes = state.size(),
                                         .identity = identity()}));
  append_frame(file, FrameType::kSnapshotState, state);
  append_frame(file, FrameType::kSnapshotEnd, encode_snapshot_end({}));
  write_all_of(path_, file);
  const Digest before = image.digest_all();
  const auto place = load_snapshot(path_, image, identity());
  ASSERT_FALSE(place);
  EXPECT_EQ(place.error().message(), path_ + ": state: toy.tick: state is too short");
  EXPECT_EQ(image.digest_all(), before);
}

TEST_F(Snapshot, WhoseDigestIsNotThatOfItsMachineIsRefused) {
  ToyImage image = some_image();
  image.lies = 1;
  save(image);
  ToyImage other;
  const auto place = load_snapshot(path_, other, identity());
  ASSERT_FALSE(place);
  EXPECT_EQ(place.error().code(), ErrorCode::kBadData);
  EXPECT_NE(place.error().message().find("digest"), std::string::npos);
}

// Frames that are whole but do not belong where they are.
TEST_F(Snapshot, RefusesFramesInTheWrongPlace) {
  ToyImage image = some_image();
  Bytes state;
  StateSaver saver(state);
  image.visit_state(saver);
  const auto frame = [](FrameType type, const Bytes& payload) {
    Bytes out;
    append_frame(out, type, payload);
    return out;
  };
  const SnapshotPreamble preamble{.place = place_of(image),
                                  .ram_bytes = image.ram_.size(),
                                  .state_bytes = state.size(),
                                  .identity = identity()};
  const Bytes zeros(kRamChunkBytes, 0);
  const Bytes p = frame(FrameType::kSnapshotPreamble, encode_snapshot_preamble(preamble));
  const Bytes s = frame(FrameType::kSnapshotState, state);
  const auto ram = [&](std::uint64_t chunk) {
    return frame(FrameType::kSnapshotRam, encode_ram_chunk({chunk * kRamChunkBytes, zeros}));
  };
  const auto end = [&](std::uint64_t count) {
    return frame(FrameType::kSnapshotEnd, encode_snapshot_end({count, {}}));
  };
  Bytes later = encode_snapshot_preamble(preamble);
  later[0] = 9;
  Bytes long_state = state;
  long_state.push_back(0);
  const std::vector<std::pair<std::vector<Bytes>, std::string>> cases{
      {{s}, "not a snapshot"},
      {{frame(FrameType::kSnapshotPreamble, later)}, "format version 9; this program reads"},
      {{frame(FrameType::kSnapshotPreamble, {1, 0, 0, 0, 5})}, "length of the preamble"},
      {{p, ram(0)}, "no place"},
      {{p, frame(FrameType::kSnapshotState, {})}, "more or less state"},
      {{p, frame(FrameType::kSnapshotState, long_state)}, "more or less state"},
      {{p, s, s}, "no place"},
      {{p, s, ram(1), ram(1), end(2)}, "out of order"},
      {{p, s, ram(4), end(1)}, "beyond the end"},
      {{p, s, ram(0), end(2)}, "counts 2 chunks, there are 1"},
      {{p, s, frame(FrameType::kSnapshotRam, Bytes(9, 0))}, "length of a RAM chunk"},
      {{p, s, frame(FrameType::kSnapshotEnd, Bytes(9, 0))}, "length of the end frame"},
      {{p, s, end(0), end(0)}, "something follows"},
      {{p, s, end(0), {0}}, "something follows"},
  };
  for (const auto& [parts, named] : cases) {
    Bytes file;
    for (const Bytes& part : parts) file.insert(file.end(), part.begin(), part.end());
    write_all_of(path_, file);
    const auto place = load_snapshot(path_, image, identity());
    ASSERT_FALSE(place) << named;
    EXPECT_NE(place.error().message().find(named), std::string::npos) << place.error().message();
  }
}

TEST_F(Snapshot, GoesThroughAPipe) {
  ToyImage image = some_image();
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  std::thread writer(
      [&] { EXPECT_TRUE(write_snapshot(ends[1], image, identity(), place_of(image))); });
  ToyImage other = some_image(4);
  const auto place = read_snapshot(ends[0], other, identity());
  writer.join();
  ::close(ends[0]);
  ::close(ends[1]);
  ASSERT_TRUE(place) << place.error().message();
  EXPECT_EQ(other.digest_all(), image.digest_all());
}

TEST_F(Snapshot, OnAFullDiskLeavesTheOldFileAndNothingElse) {
  ToyImage old = some_image(3);
  save(old);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{500, 500};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ToyImage image = some_image(4);
    ::_exit(save_snapshot(path_, image, identity(), place_of(image)) ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(files(), std::vector<std::string>{"a.fts"});
  ToyImage loaded;
  ASSERT_TRUE(load_snapshot(path_, loaded, identity()));
  EXPECT_EQ(loaded.digest_all(), old.digest_all());
}

TEST_F(Snapshot, IsNoSpaceOnADeviceThatIsFull) {
  ToyImage image = some_image();
  const int fd = ::open("/dev/full", O_WRONLY);
  ASSERT_GE(fd, 0);
  const Status status = write_snapshot(fd, image, identity(), place_of(image));
  ::close(fd);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kNoSpace);
}

TEST_F(Snapshot, ThatIsNotThereIsNotFound) {
  ToyImage image;
  EXPECT_EQ(load_snapshot(path_, image, identity()).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(read_snapshot_preamble(path_).error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace ftvm::replay
