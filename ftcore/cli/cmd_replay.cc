// ftvm replay: a journal again, bit for bit, as fast as it goes.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "emulator/base/prng.h"
#include "emulator/forwarding_world.h"
#include "ftcore/cli/command.h"
#include "ftcore/cli/debug_console.h"
#include "ftcore/cli/journal_replay.h"
#include "ftcore/cli/progress_world.h"

namespace ftvm::cli {
namespace {

std::string journal_path;
bool show_console = false;
std::uint64_t slice_seed = 0;

/// Cuts a replay into random pieces, to show that the result does not depend on them.
class SlicedWorld final : public ForwardingWorld {
 public:
  SlicedWorld(World& inner, std::uint64_t seed) : ForwardingWorld(inner), prng_(seed) {}
  Tick horizon(Tick now) override {
    constexpr std::uint64_t kSliceTicksMax = 200'000;
    return std::min(ForwardingWorld::horizon(now), now.plus(1 + prng_.below(kSliceTicksMax)));
  }

 private:
  Prng prng_;
};

void add_options(CLI::App& app, Options&) {
  app.add_option("JOURNAL", journal_path, "Journal to replay")->required();
  app.add_flag("--show-console", show_console, "Print what the guest printed");
  app.add_option("--slice-seed", slice_seed, "Cut the run into random slices (0: do not)");
}

int report(const RunResult& result, JournalReplay& replay) {
  const Machine& machine = replay.guest().machine();
  const replay::ReplayingWorld& world = replay.world();
  const replay::JournalTail& tail = replay.reader().tail();
  std::printf("replayed %llu instructions, %llu ticks, records 1..%llu; state %s\n",
              static_cast<unsigned long long>(machine.cpu().retired()),
              static_cast<unsigned long long>(result.at.value),
              static_cast<unsigned long long>(world.done_seq().value), result.state.hex().c_str());
  if (tail.kind != replay::TailKind::kComplete) std::printf("journal: %s\n", tail.text().c_str());
  if (!world.divergence()) return kExitOk;
  std::printf("%s\n", replay.divergence_text().c_str());
  return kExitDiverged;
}

Result<int> run(Options& options) {
  const DebugSink debug = FTVM_TRY(open_debug_console(options));
  const auto replay =
      FTVM_TRY(JournalReplay::open(journal_path, options.machine, [&debug](const Output& output) {
        if (output.endpoint == Endpoint::kDebug && debug) debug(output.bytes);
        if (!show_console || output.endpoint != Endpoint::kConsole) return;
        std::fwrite(output.bytes.data(), 1, output.bytes.size(), stdout);
      }));
  replay::ReplayingWorld& world = replay->world();
  SlicedWorld sliced(world, slice_seed);
  World& chosen = slice_seed != 0 ? static_cast<World&>(sliced) : world;
  ProgressWorld told(chosen, "replayed", show_console || options.diag == "-");
  const RunResult result = FTVM_TRY(replay->guest().machine().run(told));
  if (!world.source_status()) return world.source_status().error();
  return report(result, *replay);
}

}  // namespace

const Command kReplayCommand{
    .name = "replay",
    .summary = "Replay a journal bit for bit and compare all it says",
    .add_options = add_options,
    .run = run,
    .footer =
        "Example: ftvm replay boot.ftj --kernel vmlinuz --initramfs initramfs.cpio.gz\n"
        "The images must be those of the recording; everything else comes from the journal.\n"
        "With --snapshot FILE it starts there: the snapshot the journal began at, or a later\n"
        "one of the same run."};

}  // namespace ftvm::cli
