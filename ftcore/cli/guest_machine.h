// A machine with its board and its guest, made from a user's options or from a journal's header,
// and the identity that both must agree on.
#pragma once

#include <memory>
#include <string>

#include "devices/board.h"
#include "emulator/base/result.h"
#include "emulator/boot/linux_loader.h"
#include "emulator/machine.h"
#include "ftcore/cli/options.h"
#include "replay/record.h"

namespace ftvm::cli {

class GuestMachine {
 public:
  /// Reads the images, checks them, powers on. Errors: kNotFound, kBadData, kUsage, kUnsupported,
  /// each naming the option.
  static Result<std::unique_ptr<GuestMachine>> create(const MachineOptions& options,
                                                      replay::ClockMode clock);

  /// The machine of a journal or snapshot: its options win, the images must be those it names.
  /// Errors: as above, and kMismatch naming what differs.
  static Result<std::unique_ptr<GuestMachine>> create_for(const replay::MachineIdentity& identity,
                                                          MachineOptions options);

  [[nodiscard]] Machine& machine() { return *machine_; }
  [[nodiscard]] devices::Board& board() { return *board_; }
  [[nodiscard]] const replay::MachineIdentity& identity() const { return identity_; }

 private:
  GuestMachine() = default;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<devices::Board> board_;
  boot::LinuxImage image_;
  replay::MachineIdentity identity_;
};

/// The clock the options ask for. Errors: kUsage.
Result<replay::ClockMode> clock_mode(const MachineOptions& options, replay::ClockMode by_default);

}  // namespace ftvm::cli
