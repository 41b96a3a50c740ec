// What a session wants done, in order. The session decides, its owner acts: this is all that the
// protocol can do to the world, and what the simulator sees of it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "emulator/base/units.h"
#include "emulator/world.h"
#include "ftcore/protocol/arbiter_answer.h"
#include "ftcore/protocol/message.h"
#include "replay/record.h"

namespace ftvm::ftcore {

/// Give a message to the channel. Errors: none; what can not be sent shows as a closed channel, and
/// what has no peer any more is dropped.
struct Send {
  enum class To : std::uint8_t {
    kPeer,    // The other side of the session. A Welcome makes its sender the peer.
    kSender,  // Whoever sent the message being handled; may be a stranger.
  };
  Message message;
  To to = To::kPeer;
};
/// Forget the peer: nothing is sent to it any more.
struct CloseChannel {};
/// Beat, and listen, with this identity from now on; replaces what was said before. `paused` of
/// each beat is the session's paused().
struct StartHeartbeats {
  Uuid session;
  Epoch epoch;
  std::array<std::uint8_t, 32> key{};
  std::uint16_t peer_port = 0;
  std::uint32_t period_ms = 20;
};
struct StopHeartbeats {};
/// Ask the arbiter whether the slot of `epoch` is free; answer with on_slot.
struct OpenSlot {
  Uuid pair;
  Epoch epoch;
};
/// Test and set the slot of `epoch`; answer with on_arbiter. The winner lives in epoch + 1.
struct Arbitrate {
  Uuid pair;
  Epoch epoch;
  Uuid incarnation;
};
/// Primary: append this record at the machine's next stop; it comes back through on_record.
struct Journal {
  replay::RecordBody body;
};
/// Backup that takes the primary's time of day: its machine powers on at this one. Once, before
/// anything is delivered or granted. Units: seconds since 1970-01-01 UTC.
struct SetBootTime {
  std::int64_t boot_unix_s = 0;
};
/// Backup: consecutive records for the machine. They are acknowledged: never drop them.
struct Deliver {
  std::vector<replay::Record> records;
};
/// Backup: the machine may reach this tick, and not retire past it.
struct Grant {
  Tick tick;
};
/// Backup: nothing more will come. Run to here, then call on_drained().
struct Drain {
  JournalSeq last;
  Tick limit;
};
/// These may leave now, in this order.
struct Release {
  std::vector<Output> outputs;
};
/// This node alone is the machine, in this epoch: take own inputs, tell receivers the epoch.
struct GoLive {
  Epoch epoch;
};
/// Stop for good and release nothing; the reason is for the user.
struct Halt {
  std::string reason;
};
/// The run is over as planned. `note` is empty unless the user must know something.
struct Finish {
  EndReason reason;
  std::string note;
};
/// Share of time the vCPU may run. Range: above 0 up to 1.
struct SetDuty {
  double duty = 1;
};
/// Whether the vCPU must stand still. A primary's stands still until told otherwise.
struct SetPaused {
  bool paused = false;
};

using Action = std::variant<Send, CloseChannel, StartHeartbeats, StopHeartbeats, OpenSlot,
                            Arbitrate, Journal, SetBootTime, Deliver, Grant, Drain, Release, GoLive,
                            Halt, Finish, SetDuty, SetPaused>;

}  // namespace ftvm::ftcore
