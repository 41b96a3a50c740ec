#include "ftcore/cli/bare_machine.h"

#include "ftcore/cli/guest_machine.h"
#include "ftcore/cli/host_facts.h"
#include "replay/machine_image.h"
#include "replay/snapshot.h"

namespace ftvm::cli {

Result<std::unique_ptr<BareMachine>> BareMachine::load(const std::string& snapshot,
                                                       const MachineOptions& options) {
  std::unique_ptr<BareMachine> bare(new BareMachine);
  bare->preamble_ = FTVM_TRY(replay::read_snapshot_preamble(snapshot));
  const replay::MachineIdentity& theirs = bare->preamble_.identity;
  bare->machine_ = FTVM_TRY(Machine::create(
      {.ram_bytes = theirs.ram_bytes, .cpu = {.engine = FTVM_TRY(engine_kind(options.engine))}}));
  Machine& machine = *bare->machine_;
  bare->board_ = std::make_unique<devices::Board>(
      devices::BoardOptions{.boot_unix_s = theirs.boot_unix_s, .ram_bytes = theirs.ram_bytes},
      machine);
  machine.attach(bare->board_->devices());
  // The layout of the state is that of this version, this engine and this board; images and clock
  // do not change it.
  replay::MachineIdentity mine = theirs;
  mine.ftvm_version = FTVM_VERSION;
  mine.engine_version = engine_version();
  mine.board =
      bare->board_->describe() + (theirs.board.ends_with("no-reboot\n") ? "no-reboot\n" : "");
  replay::MachineImage image(machine);
  FTVM_TRY(replay::load_snapshot(snapshot, image, mine));
  return bare;
}

}  // namespace ftvm::cli
