// The determinism boundary. Everything outside the guest and its device models is the World.
//
// Two rules make record, replay and replication possible, and this file is where they live:
//   1. Facts enter only as Input, stamped with the tick at which they became visible.
//   2. Effects leave only as Output, stamped with the first tick at which the operation that made
//      them is complete.
// A device is told facts; it never asks for them. Live, recording, replaying, primary, backup and
// simulated runs differ only in which World is plugged in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "emulator/base/bytes.h"
#include "emulator/base/digest.h"
#include "emulator/base/units.h"

namespace ftvm {

/// Which attachment of the machine an Input or Output belongs to. Values are journal format: append
/// only.
enum class Endpoint : std::uint16_t {
  kConsole = 1,
  kNet0 = 2,
  kDisk0 = 3,
  kClock = 4,
  kPower = 5,
  kDebug = 6
};

/// From this tick on guest time is `base` plus `ps_per_tick` for each tick.
/// Range: `base` is not before guest time already seen; `ps_per_tick` is 1 to 1'000'000'000.
/// Whoever applies it refuses anything else.
struct ClockSync {
  GuestTime base;
  std::uint64_t ps_per_tick;
  bool operator==(const ClockSync&) const = default;
};

/// Bytes of a numbered stream. Range: `offset` is the count of bytes before this one since
/// power-on.
struct ConsoleBytes {
  std::uint64_t offset;
  Bytes bytes;
  bool operator==(const ConsoleBytes&) const = default;
};
struct NetFrame {
  Bytes bytes;
  bool operator==(const NetFrame&) const = default;
};
/// A finished disk request. `bytes` is empty for writes and for failed reads.
struct DiskDone {
  std::uint64_t request_id;
  std::int32_t status;  // 0 or a negative errno, the same on every replica.
  Bytes bytes;
  bool operator==(const DiskDone&) const = default;
};
/// The operator's hand on the machine.
enum class Control : std::uint8_t { kResetButton = 1, kPowerButton = 2 };

struct Input {
  Tick at;
  Endpoint endpoint;
  std::variant<ClockSync, ConsoleBytes, NetFrame, DiskDone, Control> body;
  bool operator==(const Input&) const = default;
};

/// Bytes for an endpoint. The stream offset of console bytes is the World's to count: it is the sum
/// of what was emitted before.
struct Output {
  Tick at;
  Endpoint endpoint;
  Bytes bytes;
  bool operator==(const Output&) const = default;
};

/// How much the devices can take without dropping, a pure function of their state.
struct InputRoom {
  std::size_t console_bytes = 0;
};

/// Why a run stops for good.
enum class EndReason : std::uint8_t {
  kPowerOff = 1,    // The guest asked (ACPI-less power-off port).
  kDebugExit = 2,   // ISA debug exit.
  kStopped = 3,     // The user asked (Ctrl-C, SIGTERM, ctl stop).
  kReset = 4,       // Guest reset with resets turned off (panic=-1, triple fault).
  kJournalEnd = 5,  // A replayed journal has no more.
  kHandOver = 6,    // Planned failover.
  kDiskFull = 7,    // The journal can not grow.
  kDiverged = 8,
  kHalted = 9,     // This node lost its arbitration or saw a higher epoch.
  kDeadlock = 10,  // Halted with nothing that could ever wake it.
};
std::string_view end_reason_name(EndReason reason);
/// The name, and for people what it means where the name alone would mislead.
std::string end_reason_text(EndReason reason);

/// Digests of the machine at the current tick, on demand.
class StateProbe {
 public:
  virtual ~StateProbe() = default;
  /// CPU, devices and clock, and one slice of RAM. Range: slice < kRamSlices.
  virtual Digest digest_slice(std::uint32_t slice) = 0;
  /// CPU, devices, clock and all of RAM.
  virtual Digest digest_all() = 0;
};

/// The outside, as seen from the vCPU thread. Threading: vCPU thread only.
class World {
 public:
  virtual ~World() = default;

  /// Farthest tick the guest may reach, and not retire past, before asking again. Equal to `now`
  /// when nothing is granted: the run loop then calls wait().
  virtual Tick horizon(Tick now) = 0;

  /// Inputs that become visible exactly at `now`, in delivery order. `time` is guest time at `now`
  /// (what a clock discipline steers); `room` is what the devices can take.
  virtual std::vector<Input> take_inputs(Tick now, GuestTime time, InputRoom room) = 0;

  /// Blocks a machine that is halted or has nothing granted, until an input, a grant, `next_due`
  /// (the next device timer of a halted machine; Tick::never() if none, or when it is not halted
  /// and only a grant helps) or a stop. Returns the tick up to which a *halted* guest may idle,
  /// between `now` and `next_due`; the caller then asks again.
  virtual Tick wait(Tick now, GuestTime time, Tick next_due) = 0;

  /// The machine stands on a line of the tick grid: the place for digests and snapshots. `line` is
  /// tick / kGridTicks. Order at one tick: grid, then timers, then inputs.
  virtual void grid_line(Tick now, std::uint64_t line, StateProbe& probe) = 0;

  /// Accepts an effect. When it reaches the host is the World's business (the output rule is one
  /// World). Never blocks the guest.
  virtual void emit(Output output) = 0;

  /// True when the run must end at this tick, with the reason. Polled before horizon().
  virtual bool should_end(Tick now, EndReason* reason) = 0;

  /// The machine ended by itself or was told to: the last call a World gets. `state` is the digest
  /// of the whole machine at `now`.
  virtual void end(Tick now, EndReason reason, const Digest& state) = 0;
};

}  // namespace ftvm
