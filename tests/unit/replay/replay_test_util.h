// What the tests of this room share: sinks and sources in memory, a file of their own, and one
// record of each kind.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "replay/record.h"
#include "replay/record_source.h"

namespace ftvm::replay {

/// Takes what it is given, up to `room` records.
class VectorSink final : public RecordSink {
 public:
  Status append(const Record& record) override {
    if (records.size() >= room) return Error(refusal, "the sink is full");
    records.push_back(record);
    return {};
  }
  std::vector<Record> records;
  std::size_t room = ~std::size_t{0};
  ErrorCode refusal = ErrorCode::kNoSpace;
};

class VectorSource final : public RecordSource {
 public:
  explicit VectorSource(std::vector<Record> records) : records_(std::move(records)) {}
  Result<std::optional<Record>> next() override {
    std::optional<Record> record;
    if (at_ < records_.size()) record.emplace(records_[at_++]);
    return record;
  }

 private:
  std::vector<Record> records_;
  std::size_t at_ = 0;
};

/// A folder that goes away with the test.
class TempDir {
 public:
  TempDir() {
    // Thousands of small files are written; memory is the place for them where there is such.
    const bool shm = ::access("/dev/shm", W_OK) == 0;
    std::string name = (shm ? "/dev/shm" : ::testing::TempDir()) + "/ftvm_replay_XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~TempDir() { (void)!::system(("rm -rf '" + path_ + "'").c_str()); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline Bytes read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}
inline void write_all_of(const std::string& path, ByteView bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
}

/// One record of each kind, numbered from `first` on, with an End at the end.
inline std::vector<Record> one_of_each(std::uint64_t first = 1) {
  const Digest digest{{0x1122334455667788, 0x99aabbccddeeff00}};
  std::vector<Record> records{
      {{}, {10}, Endpoint::kClock, ClockSync{{5'000'000'000}, 10'000}},
      {{}, {10}, Endpoint::kConsole, ConsoleBytes{1000, {'l', 's', '\n'}}},
      {{}, {20}, Endpoint::kNet0, NetFrame{Bytes(60, 0xee)}},
      {{}, {30}, Endpoint::kDisk0, DiskDone{7, 0, Bytes(512, 0x55)}},
      {{}, {30}, Endpoint::kDisk0, DiskDone{8, -5, {}}},
      {{}, {31}, Endpoint::kPower, Control::kPowerButton},
      {{}, {40}, Endpoint::kConsole, OutputMark{Endpoint::kConsole, 3, 0xabcdef0123456789}},
      {{}, {40}, Endpoint::kNet0, OutputMark{Endpoint::kNet0, 1514, 1}},
      {{}, {50}, Endpoint::kPower, DigestMark{63, digest}},
      {{}, {60}, Endpoint::kPower, Protected{{3}}},
      {{}, {70}, Endpoint::kPower, Alone{{0}}},
      {{}, {1'000'000}, Endpoint::kPower, End{EndReason::kPowerOff, digest}},
  };
  for (Record& record : records) record.seq = JournalSeq{first++};
  return records;
}

inline JournalHeader some_header() {
  JournalHeader header;
  header.identity.ftvm_version = "0.1.0";
  header.identity.engine_version = "2.1.4";
  header.identity.ram_bytes = 256 << 20;
  header.identity.board = "pc uart=2";
  header.identity.command_line = "console=ttyS0";
  header.identity.kernel = Digest{{1, 2}};
  header.identity.initramfs = Digest{{3, 4}};
  header.identity.boot_unix_s = -1;
  header.identity.entropy_seed = 0xfeedfacecafebeef;
  header.identity.clock = ClockMode::kHost;
  header.identity.libm_probe = 77;
  for (std::size_t i = 0; i < header.run_id.size(); ++i) {
    header.run_id[i] = static_cast<std::uint8_t>(i);
  }
  return header;
}

}  // namespace ftvm::replay
