// The doctor's findings about what a pair shares and about the host.
#include <gtest/gtest.h>

#include <map>

#include "ftcore/cli/doctor.h"
#include "ftcore/transport/secret.h"
#include "tests/unit/replay/replay_test_util.h"

namespace ftvm::cli {
namespace {

std::map<std::string, Finding> findings(void (*check)(const Options&, const Report&),
                                        const Options& options) {
  std::map<std::string, Finding> found;
  check(options, [&found](Finding finding) { found[finding.name] = std::move(finding); });
  return found;
}

TEST(Doctor, SkipsWhatTheUserDidNotName) {
  Options options;
  options.pair.channel = "127.0.0.1:0";
  const auto pair = findings(check_pair, options);
  EXPECT_EQ(pair.at("arbiter").verdict, Verdict::kSkipped);
  EXPECT_EQ(pair.at("key").verdict, Verdict::kSkipped);
  EXPECT_EQ(pair.at("channel").verdict, Verdict::kOk) << pair.at("channel").text;
  EXPECT_EQ(findings(check_guest, options).at("guest.images").verdict, Verdict::kSkipped);
}

TEST(Doctor, TriesTheArbitersFolderAndLeavesNothingBehind) {
  const replay::TempDir dir;
  Options options;
  options.pair.channel = "127.0.0.1:0";
  options.pair.arbiter = "file:" + dir.file("");
  EXPECT_NE(findings(check_pair, options).at("arbiter").verdict, Verdict::kFail);
  EXPECT_EQ(::rmdir(dir.file("").c_str()), 0) << "something was left in it";
  const Finding gone = findings(check_pair, options).at("arbiter");
  EXPECT_EQ(gone.verdict, Verdict::kFail);
  EXPECT_FALSE(gone.advice.empty());
  options.pair.arbiter = "carrier-pigeon:x";
  EXPECT_EQ(findings(check_pair, options).at("arbiter").verdict, Verdict::kFail);
}

TEST(Doctor, RefusesAnExposedChannelWithoutAKey) {
  const replay::TempDir dir;
  Options options;
  options.pair.channel = "0.0.0.0:0";
  EXPECT_EQ(findings(check_pair, options).at("channel").verdict, Verdict::kFail);
  options.pair.key = dir.file("key");
  EXPECT_EQ(findings(check_pair, options).at("key").verdict, Verdict::kFail);
  ASSERT_TRUE(ftcore::create_pair_key_file(options.pair.key));
  EXPECT_EQ(findings(check_pair, options).at("key").verdict, Verdict::kOk);
  EXPECT_EQ(findings(check_pair, options).at("channel").verdict, Verdict::kOk);
  // An address of documentation: another host's.
  options.pair.channel = "192.0.2.1:7400";
  EXPECT_EQ(findings(check_pair, options).at("channel").verdict, Verdict::kWarn);
}

TEST(Doctor, LooksAtTheFolderOfTheJournal) {
  const replay::TempDir dir;
  Options options;
  options.journal = dir.file("a.ftj");
  EXPECT_NE(findings(check_host, options).at("disk").verdict, Verdict::kFail);
  options.journal = dir.file("none/a.ftj");
  EXPECT_EQ(findings(check_host, options).at("disk").verdict, Verdict::kFail);
}

TEST(Doctor, NamesImagesThatCannotBeBooted) {
  const replay::TempDir dir;
  replay::write_all_of(dir.file("kernel"), Bytes(4096, 0x90));
  Options options;
  options.machine.kernel = dir.file("kernel");
  const auto found = findings(check_guest, options);
  EXPECT_EQ(found.at("guest.images").verdict, Verdict::kFail);
  EXPECT_EQ(found.count("guest.boot"), 0u);
}

}  // namespace
}  // namespace ftvm::cli
