// ftvm campaign as its users run it: exit codes, files, and what it says.
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "emulator/base/scoped_fd.h"
#include "ftcore/sim/plant.h"
#include "tests/cli/process.h"
#include "tests/cli/run_ftvm.h"

namespace ftvm::test {
namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(CampaignCommand, HoldsAndSaysSo) {
  const Folder folder;
  const std::string out = folder.file("c");
  const Ran ran = run_ftvm(folder, {"campaign", "--runs", "300", "--out", out});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_TRUE(has(ran.out, "300 runs, ")) << ran.out;
  EXPECT_TRUE(has(ran.out, " 0 failures")) << ran.out;
  EXPECT_EQ(ran.err, "");
  EXPECT_TRUE(has(text_of(out + "/report.html"), "no rule was broken"));
  EXPECT_TRUE(has(text_of(out + "/junit.xml"), "failures=\"0\""));
  EXPECT_TRUE(has(text_of(out + "/report.json"), "\"complete\": true"));
  EXPECT_TRUE(has(text_of(out + "/plan.toml"), "runs = 300"));
}

TEST(CampaignCommand, TheSameSeedsHaveTheSameDigest) {
  const Folder folder;
  const auto digest = [&](const std::string& name) {
    return between(run_ftvm(folder, {"campaign", "--runs", "200", "--out", folder.file(name)}).out,
                   "digest ", "\n");
  };
  EXPECT_EQ(digest("one"), digest("two"));
}

TEST(CampaignCommand, DoesNotReplaceACampaignUnasked) {
  const Folder folder;
  const std::vector<std::string> args{"campaign", "--runs", "5", "--out", folder.file("c")};
  EXPECT_EQ(run_ftvm(folder, args).exit, 0);
  const Ran again = run_ftvm(folder, args);
  EXPECT_EQ(again.exit, 2);
  EXPECT_TRUE(has(again.err, "--resume")) << again.err;
}

TEST(CampaignCommand, GoesOnWhereItWasBrokenOff) {
  const Folder folder;
  const std::string whole = folder.file("whole"), parts = folder.file("parts");
  const Ran one = run_ftvm(folder, {"campaign", "--runs", "2000", "--out", whole});
  EXPECT_EQ(one.exit, 0) << one.err;
  const Ran nothing =
      run_ftvm(folder, {"campaign", "--runs", "2000", "--minutes", "0.0000001", "--out", parts});
  EXPECT_EQ(nothing.exit, 1) << nothing.out;
  EXPECT_TRUE(has(nothing.out, "broken off; go on with --resume")) << nothing.out;
  const Ran two = run_ftvm(folder, {"campaign", "--runs", "2000", "--resume", "--out", parts});
  EXPECT_EQ(two.exit, 0) << two.err;
  EXPECT_EQ(between(one.out, "digest ", "\n"), between(two.out, "digest ", "\n"));
  const Ran other = run_ftvm(folder, {"campaign", "--runs", "7", "--resume", "--out", parts});
  EXPECT_EQ(other.exit, 3);
}

TEST(CampaignCommand, ASignalBreaksItOffAndLosesNothingThatIsDone) {
  const Folder folder;
  const std::string parts = folder.file("parts");
  const std::vector<std::string> args{"campaign", "--runs", "4000", "--jobs", "1"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), args.begin(), args.end());
    return more;
  };
  ASSERT_TRUE(std::filesystem::create_directory(parts));
  const ScopedFd watch(::inotify_init1(IN_CLOEXEC));
  ASSERT_GE(::inotify_add_watch(watch.get(), parts.c_str(), IN_MODIFY), 0);
  Process campaign(with({"--out", parts}));
  const auto lines = [&] {
    const std::string text = text_of(parts + "/blocks");
    return std::count(text.begin(), text.end(), '\n');
  };
  while (lines() < 2) {  // The heading, and a block.
    std::array<char, 4096> changes{};
    ASSERT_GT(::read(watch.get(), changes.data(), changes.size()), 0);
  }
  campaign.signal(SIGINT);
  const Ran broken_off = campaign.wait();
  EXPECT_EQ(broken_off.exit, 1) << broken_off.out;
  EXPECT_TRUE(has(broken_off.out, "broken off; go on with --resume")) << broken_off.out;
  EXPECT_EQ(broken_off.err, "");
  EXPECT_TRUE(has(text_of(parts + "/junit.xml"), "type=\"incomplete\""));
  const auto done = lines();
  EXPECT_LT(done, 5);
  const Ran two = run_ftvm(folder, with({"--resume", "--out", parts}));
  EXPECT_EQ(two.exit, 0) << two.err;
  EXPECT_EQ(lines(), 5);
  const Ran whole = run_ftvm(folder, with({"--out", folder.file("whole")}));
  EXPECT_EQ(between(whole.out, "digest ", "\n"), between(two.out, "digest ", "\n"));
}

TEST(CampaignCommand, MergesItsShards) {
  const Folder folder;
  const auto campaign = [&](const std::string& out, std::vector<std::string> more) {
    more.insert(more.begin(), {"campaign", "--runs", "2100", "--out", folder.file(out)});
    return run_ftvm(folder, more);
  };
  const Ran whole = campaign("whole", {});
  EXPECT_EQ(campaign("1", {"--shard", "1/2"}).exit, 0);
  EXPECT_EQ(campaign("2", {"--shard", "2/2"}).exit, 0);
  const Ran merged = campaign("merged", {"--merge", folder.file("1"), folder.file("2")});
  EXPECT_EQ(merged.exit, 0) << merged.err;
  EXPECT_EQ(between(merged.out, "", "report:"), between(whole.out, "", "report:"));
  EXPECT_EQ(between(merged.out, "digest ", "\n"), between(whole.out, "digest ", "\n"));
  // What no shard did is done.
  const Ran half = campaign("half", {"--merge", folder.file("2")});
  EXPECT_EQ(half.exit, 0) << half.err;
  EXPECT_EQ(between(half.out, "digest ", "\n"), between(whole.out, "digest ", "\n"));

  // And what one did is not done again: whatever its folder says is in the report.
  std::string blocks = text_of(folder.file("1") + "/blocks");
  blocks.insert(blocks.find("\"failovers\":") + 12, "9");
  write_text(folder.file("1") + "/blocks", blocks);
  const Ran believed = campaign("believed", {"--merge", folder.file("1"), folder.file("2")});
  EXPECT_EQ(believed.exit, 0) << believed.err;
  EXPECT_GT(std::stoul(between(believed.out, "runs, ", " ")),
            std::stoul(between(whole.out, "runs, ", " ")));

  const Ran twice = campaign("twice", {"--merge", folder.file("1"), folder.file("whole")});
  EXPECT_EQ(twice.exit, 2);
  EXPECT_TRUE(has(twice.err, "/whole/blocks: block 0 is in a folder before it")) << twice.err;
  const Ran other = campaign("other", {"--seed", "9", "--merge", folder.file("1")});
  EXPECT_EQ(other.exit, 3);
  EXPECT_TRUE(has(other.err, "/1/blocks: this is 'ftvm campaign 1")) << other.err;
  const Ran none = campaign("none", {"--merge", folder.file("0")});
  EXPECT_TRUE(has(none.err, "/0/blocks: no such file")) << none.err;
}

TEST(CampaignCommand, FindsABugShrinksItAndSaysHowToSeeIt) {
  if (!ftcore::sim::kPlantsCompiledIn) GTEST_SKIP() << "needs a build with FTVM_TEST_POINTS";
  const Folder folder;
  const std::string out = folder.file("c");
  const Ran ran = run_ftvm(folder, {"campaign", "--runs", "50", "--plant", "release_early",
                                    "--failures", "1", "--out", out});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_TRUE(has(ran.out, "output_rule")) << ran.out;
  EXPECT_TRUE(has(text_of(out + "/junit.xml"), "type=\"output_rule\""));
  const std::string seed = between(ran.out, "/plan.toml --run ", "\n");
  const Ran again = run_ftvm(folder, {"campaign", out + "/plan.toml", "--run", seed});
  EXPECT_EQ(again.exit, 1);
  EXPECT_TRUE(has(again.out, "output_rule: ")) << again.out;
  const Ran shrunk = run_ftvm(folder, {"campaign", out + "/seed-" + seed + ".toml", "--run", seed,
                                       "--trace", folder.file("trace")});
  EXPECT_EQ(shrunk.exit, 1);
  EXPECT_TRUE(has(shrunk.out, "output_rule: ")) << shrunk.out;
  const std::string trace = text_of(folder.file("trace"));
  EXPECT_TRUE(trace.starts_with("{\"us\":")) << trace.substr(0, 200);
  EXPECT_EQ(trace, text_of(out + "/seed-" + seed + ".jsonl"));
}

TEST(CampaignCommand, AProgramDoesTheRunsOfARig) {
  const Folder folder;
  write_text(folder.file("p.toml"), R"(
name = "mine"
runs = 10
[program]
command = ["/bin/sh", "-c", "echo silence_ms=120; test {seed} != 4"]
case = "x"
)");
  const std::string out = folder.file("c");
  const Ran ran = run_ftvm(folder, {"campaign", folder.file("p.toml"), "--rig", "--out", out});
  EXPECT_EQ(ran.exit, 1) << ran.err;
  EXPECT_TRUE(has(ran.out, "10 runs, 10 failovers (median silence 130 ms")) << ran.out;
  EXPECT_TRUE(has(ran.out, "seed 4: program: x: exit code 1: silence_ms=120")) << ran.out;
  EXPECT_TRUE(has(ran.out, "/plan.toml --run 4 --rig")) << ran.out;
  EXPECT_EQ(text_of(out + "/run-4/output"), "silence_ms=120\n");
  const Ran again = run_ftvm(
      folder, {"campaign", out + "/plan.toml", "--rig", "--run", "4", "--out", folder.file("d")});
  EXPECT_EQ(again.exit, 1);
  EXPECT_TRUE(has(again.out, "seed 4, x: x: exit code 1")) << again.out;
}

TEST(CampaignCommand, RefusesByName) {
  const Folder folder;
  const auto refusal = [&](std::vector<std::string> args) {
    args.insert(args.begin(), "campaign");
    const Ran ran = run_ftvm(folder, args);
    EXPECT_EQ(ran.exit, 2) << ran.err;
    return ran.err;
  };
  write_text(folder.file("p.toml"), "rums = 3\n");
  EXPECT_TRUE(has(refusal({folder.file("p.toml")}), "p.toml:1:1: rums: no such field"));
  EXPECT_TRUE(has(refusal({"--shard", "3/2"}), "--shard: 3/2: say K/N"));
  EXPECT_TRUE(has(refusal({"--shard", "x"}), "--shard: x: say K/N"));
  EXPECT_TRUE(has(refusal({"--plant", "nothing"}), "--plant nothing: there are none"));
  EXPECT_TRUE(has(refusal({"--runs", "0"}), "--runs 0"));
  EXPECT_TRUE(has(refusal({"--rig"}), "--rig: the plan has no [program]"));
}

TEST(CampaignCommand, AGuestThatIsNotThereIsNamed) {
  const Folder folder;
  write_text(folder.file("p.toml"), "guest = \"no.bin\"\n");
  const Ran ran = run_ftvm(folder, {"campaign", folder.file("p.toml")});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_TRUE(has(ran.err, "/no.bin: no such file")) << ran.err;
}

}  // namespace
}  // namespace ftvm::test
