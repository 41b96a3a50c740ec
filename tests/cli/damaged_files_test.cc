// Journals and snapshots that are cut, damaged, of another version or of another machine: named and
// refused, or good as far as they go. Never a wrong replay, never a crash. What is tried here at
// some places the tests of replay/ try at every one.
#include <gmock/gmock.h>

#include <functional>

#include "replay/frame.h"
#include "replay/journal_reader.h"
#include "replay/journal_writer.h"
#include "tests/cli/process.h"

namespace ftvm::test {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class DamagedFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    write_text(folder_.file("stop"), "wait \"line 0000\"\nstop\n");
    ASSERT_EQ(run_ftvm(folder_, tiny_guest("record", "p",
                                           {"--clock", "virtual", "--journal", journal_,
                                            "--console", "none"}))
                  .exit,
              0);
    ASSERT_EQ(
        run_ftvm(folder_, tiny_guest("snapshot", "l", {"--at", "1", "--out", snapshot_})).exit, 0);
  }
  Ran replay(const std::string& journal) {
    return run_ftvm(folder_, tiny_guest("replay", "p", {journal}));
  }
  Ran run(const std::string& snapshot) {
    return run_ftvm(folder_, {"run", "--kernel", FTVM_TINY_GUEST, "--snapshot", snapshot,
                              "--script", folder_.file("stop"), "--clock", "virtual"});
  }
  std::string damaged(const std::string& whole, std::size_t at) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x20);
    return written(bytes);
  }
  std::string written(const std::string& bytes) {
    write_text(folder_.file("damaged"), bytes);
    return folder_.file("damaged");
  }
  /// The file with another payload in its first frame, under a good CRC.
  std::string with_header(const std::string& path, const std::function<void(Bytes&)>& change) {
    const std::string text = text_of(path);
    const Bytes all(text.begin(), text.end());
    const replay::FrameStep step = replay::parse_frame(all);
    Bytes payload(step.frame.payload.begin(), step.frame.payload.end());
    change(payload);
    Bytes out;
    replay::append_frame(out, static_cast<replay::FrameType>(step.frame.type), payload);
    out.insert(out.end(), all.begin() + static_cast<std::ptrdiff_t>(step.size_bytes), all.end());
    return written(std::string(out.begin(), out.end()));
  }
  /// The journal as another machine would have written it.
  std::string of_another(const std::function<void(replay::MachineIdentity&)>& change) {
    const auto reader = replay::JournalReader::open(journal_);
    EXPECT_TRUE(reader);
    replay::JournalHeader header = (*reader)->header();
    change(header.identity);
    std::string path = folder_.file("other.ftj");
    const auto writer = replay::JournalWriter::create({.path = path, .overwrite = true}, header);
    EXPECT_TRUE(writer);
    while (auto record = *(*reader)->next()) EXPECT_TRUE((*writer)->append(*record));
    EXPECT_TRUE((*writer)->end());
    return path;
  }
  Folder folder_;
  std::string journal_ = folder_.file("a.ftj");
  std::string snapshot_ = folder_.file("a.fts");
};

TEST_F(DamagedFiles, AJournalThatIsCutIsGoodAsFarAsItGoesAndSaysSo) {
  const std::string whole = text_of(journal_);
  ASSERT_EQ(replay(journal_).exit, 0);
  for (std::size_t size = 0; size < whole.size(); size += 11) {
    const Ran ran = replay(written(whole.substr(0, size)));
    EXPECT_THAT(ran.exit, AnyOf(0, 3)) << size << ran.out << ran.err;
    const std::string said = ran.exit == 0 ? ran.out : ran.err;
    EXPECT_THAT(said, AnyOf(HasSubstr("journal: torn"), HasSubstr("journal: no end"),
                            HasSubstr("journal: unended"), HasSubstr(folder_.file("damaged"))))
        << size;
  }
}

TEST_F(DamagedFiles, AJournalWithAChangedByteIsRefused) {
  const std::string whole = text_of(journal_);
  for (std::size_t at = 0; at < whole.size(); at += 11) {
    const Ran ran = replay(damaged(whole, at));
    EXPECT_EQ(ran.exit, 3) << at << ran.out;
    EXPECT_THAT(ran.err, HasSubstr(folder_.file("damaged"))) << at;
  }
}

TEST_F(DamagedFiles, ASnapshotThatIsCutOrChangedIsRefused) {
  const std::string whole = text_of(snapshot_);
  ASSERT_EQ(run(snapshot_).exit, 0);
  for (std::size_t at = 0; at < whole.size(); at += 101) {
    Ran ran = run(damaged(whole, at));
    EXPECT_EQ(ran.exit, 3) << at << ran.out;
    EXPECT_THAT(ran.err, HasSubstr("--snapshot")) << at;
    ran = run(written(whole.substr(0, at)));
    EXPECT_EQ(ran.exit, 3) << at << ran.out;
    EXPECT_THAT(ran.err, HasSubstr("--snapshot")) << at;
  }
}

TEST_F(DamagedFiles, AnotherFormatVersionIsRefusedByName) {
  const auto next_version = [](Bytes& payload) { ++payload[0]; };
  for (const Ran& ran :
       {replay(with_header(journal_, next_version)), run(with_header(snapshot_, next_version)),
        run_ftvm(folder_, {"inspect", with_header(journal_, next_version)})}) {
    EXPECT_EQ(ran.exit, 3);
    EXPECT_THAT(ran.err, HasSubstr("version 2"));
  }
}

TEST_F(DamagedFiles, AJournalOfAnotherMachineIsRefusedByTheNameOfTheField) {
  struct Case {
    const char* name;
    std::function<void(replay::MachineIdentity&)> change;
  };
  const Case cases[] = {
      {"ftvm_version", [](auto& i) { i.ftvm_version = "9.9.9"; }},
      {"engine_version", [](auto& i) { i.engine_version = "2.1.3"; }},
      {"board", [](auto& i) { i.board = "toaster"; }},
      {"kernel", [](auto& i) { i.kernel.words[0] ^= 1; }},
      {"initramfs", [](auto& i) { i.initramfs.words[1] ^= 1; }},
      {"entropy_seed", [](auto& i) { i.entropy_seed = 1; }},
      {"libm_probe", [](auto& i) { i.libm_probe ^= 1; }},
  };
  for (const Case& c : cases) {
    const Ran ran = replay(of_another(c.change));
    EXPECT_EQ(ran.exit, 3) << c.name;
    EXPECT_THAT(ran.err, HasSubstr(std::string(c.name) + " is ")) << c.name;
  }
}

}  // namespace
}  // namespace ftvm::test
