// A recorded boot of Linux replays bit for bit whatever the slicing and the cache, and nothing else
// passes for it: no damaged journal, no changed one, no other kernel.
#include <gmock/gmock.h>

#include "replay/journal_reader.h"
#include "replay/journal_writer.h"
#include "tests/cli/boot/boot_test_util.h"

namespace ftvm::test {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class RecordedBoot : public Boot {
 protected:
  void SetUp() override {
    transcript_ = record(journal_, kSession);
    ASSERT_THAT(transcript_, HasSubstr("6 times 7 is 42"));
  }
  /// The journal again, with one output other than it was.
  void write_changed(const std::string& path) {
    const auto reader = replay::JournalReader::open(journal_);
    ASSERT_TRUE(reader);
    const auto writer = replay::JournalWriter::create({.path = path}, (*reader)->header());
    ASSERT_TRUE(writer);
    bool changed = false;
    for (;;) {
      auto next = (*reader)->next();
      ASSERT_TRUE(next);
      if (!*next) break;
      auto* mark = std::get_if<replay::OutputMark>(&(*next)->body);
      if (mark != nullptr && (*next)->seq.value > 20 && !changed) {
        mark->hash ^= 1;
        changed = true;
      }
      ASSERT_TRUE((*writer)->append(**next));
    }
    ASSERT_TRUE((*writer)->end());
    ASSERT_TRUE(changed);
  }
  std::string journal_ = folder_.file("boot.ftj");
  std::string transcript_;
};

TEST_F(RecordedBoot, ReplaysToTheSameDigestInEveryWay) {
  const std::string state = recorded_state(journal_);
  ASSERT_EQ(state.size(), 32u) << state;
  const std::vector<std::vector<std::string>> ways{
      {}, {"--slice-seed", "7"}, {"--translation-buffer", "4"}};
  for (const auto& way : ways) {
    std::vector<std::string> args{"replay", journal_};
    args.insert(args.end(), way.begin(), way.end());
    const Ran ran = guest(args);
    EXPECT_EQ(ran.exit, 0) << ran.out << ran.err;
    EXPECT_EQ(state_of(ran), state);
  }
  const Ran shown = guest({"replay", journal_, "--show-console"});
  EXPECT_THAT(shown.out, ::testing::StartsWith(transcript_));
}

TEST_F(RecordedBoot, ADamagedJournalIsNamedWhereverTheDamageIs) {
  const std::string whole = text_of(journal_);
  for (const std::size_t at :
       {std::size_t{5}, std::size_t{100}, whole.size() / 2, whole.size() - 3}) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    write_text(journal_, bytes);
    const Ran ran = guest({"replay", journal_});
    EXPECT_THAT(ran.exit, AnyOf(3, 4)) << at;
    EXPECT_THAT(ran.err + ran.out, AnyOf(HasSubstr("frame at byte"), HasSubstr("diverged"))) << at;
  }
}

TEST_F(RecordedBoot, AnotherOutputThanTheRecordedOneIsADivergence) {
  const std::string changed = folder_.file("changed.ftj");
  write_changed(changed);
  const Ran ran = guest({"replay", changed});
  EXPECT_EQ(ran.exit, 4);
  EXPECT_THAT(ran.out, HasSubstr("diverged: "));
  EXPECT_THAT(ran.out, ::testing::ContainsRegex("there: rip [0-9a-f]+: ([0-9a-f]{2} )+ [a-z]+"));
  EXPECT_THAT(ran.out, ::testing::ContainsRegex("rip [0-9a-f]{16} rflags [0-9a-f]{16}"));
  const Ran diff = run_ftvm(folder_, {"diff", journal_, changed});
  EXPECT_EQ(diff.exit, 1);
  EXPECT_THAT(diff.out, HasSubstr("output_mark"));
}

TEST_F(RecordedBoot, AnotherKernelIsRefusedByName) {
  std::string kernel = text_of(kGuest + "/vmlinuz");
  kernel[kernel.size() / 2] = static_cast<char>(kernel[kernel.size() / 2] ^ 1);
  write_text(folder_.file("vmlinuz"), kernel);
  const Ran ran = run_ftvm(folder_, {"replay", journal_, "--kernel", folder_.file("vmlinuz"),
                                     "--initramfs", kGuest + "/initramfs.cpio.gz"});
  EXPECT_EQ(ran.exit, 3);
  EXPECT_THAT(ran.err, HasSubstr("kernel is "));
}

}  // namespace
}  // namespace ftvm::test
