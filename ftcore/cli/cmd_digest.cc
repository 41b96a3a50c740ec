// ftvm digest: the final digest of a journal or a snapshot, and with --run all digests on the way.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "emulator/forwarding_world.h"
#include "ftcore/cli/bare_machine.h"
#include "ftcore/cli/command.h"
#include "ftcore/cli/file_kind.h"
#include "ftcore/cli/journal_replay.h"
#include "ftcore/cli/journal_summary.h"

namespace ftvm::cli {
namespace {

std::string path;
bool run_it = false;

void add_options(CLI::App& app, Options&) {
  app.add_option("FILE", path, "Journal or snapshot")->required();
  app.add_flag("--run", run_it, "Replay the journal and print its digest marks as computed");
}

unsigned long long wide(std::uint64_t value) {
  return value;
}

/// Passes a question for a digest on and prints the answer.
class PrintingProbe final : public StateProbe {
 public:
  PrintingProbe(StateProbe& inner, Tick now) : inner_(inner), now_(now) {}
  Digest digest_slice(std::uint32_t slice) override {
    const Digest digest = inner_.digest_slice(slice);
    std::printf("tick %14llu  slice %2u  %s\n", wide(now_.value), slice, digest.hex().c_str());
    return digest;
  }
  Digest digest_all() override { return inner_.digest_all(); }

 private:
  StateProbe& inner_;
  Tick now_;
};

class PrintingWorld final : public ForwardingWorld {
 public:
  using ForwardingWorld::ForwardingWorld;
  void grid_line(Tick now, std::uint64_t line, StateProbe& probe) override {
    PrintingProbe printing(probe, now);
    ForwardingWorld::grid_line(now, line, printing);
  }
};

Result<int> run_journal(const Options& options) {
  const auto replay = FTVM_TRY(JournalReplay::open(path, options.machine, nullptr));
  PrintingWorld world(replay->world());
  Machine& machine = replay->guest().machine();
  const RunResult result = FTVM_TRY(machine.run(world));
  std::printf("tick %14llu  all       %s\n%llu instructions\n", wide(result.at.value),
              result.state.hex().c_str(), wide(machine.cpu().retired()));
  return replay->verdict();
}

Result<int> read_journal() {
  const JournalSummary summary = FTVM_TRY(summarize_journal(path, nullptr));
  if (summary.damage) return *summary.damage;
  if (!summary.end) {
    return Error(ErrorCode::kTornTail, path +
                                           ": the run has no end, so there is no final digest (" +
                                           summary.tail.text() + "); --run replays what there is");
  }
  std::printf("tick %14llu  all       %s\nended: %s; --run counts the instructions\n",
              wide(summary.last->at.value), summary.end->state.hex().c_str(),
              end_reason_text(summary.end->reason).c_str());
  return static_cast<int>(kExitOk);
}

Result<int> read_snapshot(const Options& options) {
  if (run_it) return Error(ErrorCode::kUsage, path + " is a snapshot: there is nothing to --run");
  const auto bare = FTVM_TRY(BareMachine::load(path, options.machine));
  Machine& machine = bare->machine();
  std::printf("tick %14llu  all       %s\n%llu instructions\n", wide(machine.now().tick.value),
              machine.digest_all().hex().c_str(), wide(machine.cpu().retired()));
  return static_cast<int>(kExitOk);
}

Result<int> run(Options& options) {
  if (FTVM_TRY(file_kind(path)) == FileKind::kSnapshot) return read_snapshot(options);
  return run_it ? run_journal(options) : read_journal();
}

}  // namespace

const Command kDigestCommand{
    .name = "digest",
    .summary = "Print the final digest of a journal or a snapshot",
    .add_options = add_options,
    .run = run,
    .footer =
        "Examples: ftvm digest boot.ftj\n"
        "          ftvm digest --run boot.ftj --kernel vmlinuz --initramfs initramfs.cpio.gz\n"
        "A digest covers CPU, devices and clock; at a digest mark one slice of RAM too, at the\n"
        "end all of it. Equal digests at one tick mean equal machines."};

}  // namespace ftvm::cli
