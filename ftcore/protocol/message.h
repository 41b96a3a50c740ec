// What the two nodes of a pair say to each other, as plain structs. The bytes are the business of
// ftcore/transport/wire_codec.
//
// ZeroMQ reconnects and re-queues in silence, so nothing here trusts the socket: every message
// carries the session it belongs to, and a message of another session is ignored.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "emulator/base/digest.h"
#include "emulator/base/units.h"
#include "replay/record.h"

namespace ftvm::ftcore {

inline constexpr std::uint32_t kProtocolVersion = 5;

/// 16 random bytes: of a pair (made by its first primary), of one start of one process
/// (incarnation), of one handshake (session).
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const Uuid&) const = default;
  [[nodiscard]] bool is_zero() const { return *this == Uuid{}; }
  [[nodiscard]] std::string hex() const;
};

/// Monotonic host time, handed in by whoever owns a clock. Units: nanoseconds.
struct HostTime {
  std::int64_t ns = 0;
  auto operator<=>(const HostTime&) const = default;
  static constexpr HostTime never() { return {std::numeric_limits<std::int64_t>::max()}; }
};
inline constexpr std::int64_t kNsPerMs = 1'000'000;

/// Backup to primary, first message: may I be your backup?
struct Hello {
  std::uint32_t protocol_version = kProtocolVersion;
  Uuid incarnation;
  /// What must be equal on both sides; compared field by field so that a refusal names it.
  replay::MachineIdentity identity;
  /// The machine powers on at whatever time of day the Welcome says; the identity names none.
  bool takes_time = false;
  JournalSeq start_seq;  // 0 for power-on, else the snapshot both start from.
  Digest start_snapshot;
  std::string arbiter;  // Canonical text of the arbiter option; must be the same one.
  bool operator==(const Hello&) const = default;
};
/// Primary to backup: yes, and here is our session.
struct Welcome {
  Uuid pair;
  Uuid session;
  Uuid incarnation;
  Epoch epoch;
  std::array<std::uint8_t, 32> heartbeat_key{};
  std::uint32_t detection_ms = 200;
  std::uint32_t heartbeat_ms = 20;
  std::uint16_t heartbeat_port = 0;  // UDP port of the primary, on the address of the channel.
  std::int64_t boot_unix_s = 0;      // Time of day at power-on: the primary's, so the pair's.
  bool operator==(const Welcome&) const = default;
};
/// Backup to primary: the session is on; where my heartbeats come from.
struct Joined {
  std::uint16_t heartbeat_port = 0;
  bool operator==(const Joined&) const = default;
};
/// Either way: no, and why in words a user can act on.
struct Refuse {
  std::string reason;
  bool operator==(const Refuse&) const = default;
};
/// Primary to backup: consecutive records.
struct Records {
  std::vector<replay::Record> records;
  bool operator==(const Records&) const = default;
};
/// Primary to backup: you may run up to this tick. What was recorded up to there has numbers up to
/// `recorded`, all sent before this. `ran_us`: how long my machine ran to get there since the
/// session began, without the time that it slept for lag control; microseconds, never falls.
struct Progress {
  Tick tick;
  JournalSeq recorded;
  std::uint64_t ran_us = 0;
  bool operator==(const Progress&) const = default;
};
/// Backup to primary. `accepted`: decoded, checked and in my memory without a gap up to here.
/// `executed`: my machine stands at this tick. `room_bytes`: what my queue still takes. `lag_us`,
/// `backlog_us`: age and cost of what my machine has not executed yet (ExecutionLag), microseconds.
struct Ack {
  JournalSeq accepted;
  Tick executed;
  std::uint64_t room_bytes = 0;
  std::uint64_t lag_us = 0;
  std::uint64_t backlog_us = 0;
  bool operator==(const Ack&) const = default;
};
/// Either way, when there is nothing else to say for a while.
struct Keepalive {
  bool paused = false;  // The operator paused the machine: no progress is no failure.
  bool operator==(const Keepalive&) const = default;
};
/// Either way: I leave on purpose (backup: go on without me; primary: see its End record).
struct Bye {
  std::string reason;
  bool operator==(const Bye&) const = default;
};
/// Either way: I hold or know this epoch; whoever has a lower one halts.
struct HigherEpoch {
  Epoch epoch;
  bool operator==(const HigherEpoch&) const = default;
};

/// Primary to backup: every output up to this record is with a receiver that outlives the primary,
/// so a takeover need not put it out again.
struct Confirmed {
  JournalSeq mark;
  bool operator==(const Confirmed&) const = default;
};

struct Message {
  Uuid pair;     // Zero in a Hello.
  Uuid session;  // Zero in a Hello and in a Refuse before a session.
  Epoch epoch;
  std::variant<Hello, Welcome, Joined, Refuse, Records, Progress, Ack, Keepalive, Bye, HigherEpoch,
               Confirmed>
      body;
  bool operator==(const Message&) const = default;
};

/// One UDP datagram, authenticated with the session's heartbeat key.
struct Heartbeat {
  Uuid session;
  Epoch epoch;
  std::uint64_t number = 0;  // Rises; an old or repeated one is ignored.
  Tick progress;             // Where the sender's vCPU stands.
  bool paused = false;
  bool operator==(const Heartbeat&) const = default;
};

}  // namespace ftvm::ftcore
