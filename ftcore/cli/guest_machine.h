// A machine with its board and its guest, made from a user's options or from a journal's header,
// and the identity that both must agree on.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "devices/board.h"
#include "emulator/base/result.h"
#include "emulator/boot/linux_loader.h"
#include "emulator/machine.h"
#include "ftcore/cli/options.h"
#include "replay/record.h"

namespace ftvm::cli {

/// Where a machine stands before it runs. All zero at power-on; else what its snapshot says.
struct StartPoint {
  Tick tick;
  JournalSeq seq;   // Of the last record before it.
  Digest snapshot;  // digest_all() of the snapshot, which is how a journal names it.
  std::array<std::uint8_t, 16> run_id{};  // Of the run the snapshot was taken of.
  /// As its snapshot has it: host if its time of day was the host's. See snapshot_identity().
  replay::ClockMode clock = replay::ClockMode::kVirtual;
  [[nodiscard]] bool at_power_on() const { return snapshot == Digest{}; }
};

/// The time of day of such a machine has been the host's from power-on until now, so whoever goes
/// on from here may catch up with the host. A virtual clock or a given time, now or in the run that
/// it was started from, make it a time of its own for ever.
bool shows_host_time(const StartPoint& start, const replay::MachineIdentity& identity,
                     bool time_given);

class GuestMachine {
 public:
  /// Reads the images, checks them, and powers on or loads options.snapshot, whose options win over
  /// the user's then (but not over `clock`: a run may go on under another one). Errors: kNotFound,
  /// kBadData, kUsage, kUnsupported, each naming the option; kMismatch naming what differs from the
  /// snapshot.
  static Result<std::unique_ptr<GuestMachine>> create(const MachineOptions& options,
                                                      replay::ClockMode clock);

  /// The machine of a journal or of a peer: its options win, the images must be those it names.
  /// Starts from options.snapshot if there is one, which must be of the same machine. Errors: as
  /// above, and kMismatch naming what differs.
  static Result<std::unique_ptr<GuestMachine>> create_for(const replay::MachineIdentity& identity,
                                                          MachineOptions options);

  [[nodiscard]] Machine& machine() { return *machine_; }
  [[nodiscard]] devices::Board& board() { return *board_; }
  [[nodiscard]] const replay::MachineIdentity& identity() const { return identity_; }
  [[nodiscard]] const StartPoint& start() const { return start_; }

  /// The user asked for a time of day (--rtc); else it is the host's, or 2000 for a virtual clock.
  [[nodiscard]] bool time_given() const { return time_given_; }
  [[nodiscard]] bool shows_host_time() const {
    return cli::shows_host_time(start_, identity_, time_given_);
  }
  /// The identity that a snapshot of it carries: its own, with the host's clock only if it
  /// shows_host_time().
  [[nodiscard]] replay::MachineIdentity snapshot_identity() const;
  /// What the guest is doing, for a report: its next instruction and all registers, behind a line
  /// feed. Changes nothing.
  [[nodiscard]] std::string place_text();
  /// Another time of day at power-on. Range: before the machine has run, not from a snapshot.
  void set_boot_time(std::int64_t boot_unix_s);

 private:
  GuestMachine() = default;
  static Result<std::unique_ptr<GuestMachine>> power_on(const MachineOptions& options,
                                                        replay::ClockMode clock);
  Status load(const std::string& snapshot);

  std::unique_ptr<Machine> machine_;
  std::unique_ptr<devices::Board> board_;
  boot::LinuxImage image_;
  replay::MachineIdentity identity_;
  StartPoint start_;
  bool time_given_ = false;
};

/// The engine of a name that --engine takes. Errors: kUsage.
Result<EngineKind> engine_kind(const std::string& name);
/// The clock the options ask for. Errors: kUsage.
Result<replay::ClockMode> clock_mode(const MachineOptions& options, replay::ClockMode by_default);

}  // namespace ftvm::cli
