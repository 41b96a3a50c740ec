// Records of the journal as plain structs. A journal is the header and then records numbered 1, 2,
// 3...; their ticks never decrease. Protobuf appears only in journal_codec.cc.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>

#include "emulator/base/digest.h"
#include "emulator/base/result.h"
#include "emulator/base/units.h"
#include "emulator/world.h"

namespace ftvm::replay {

/// An output left the devices. `Record::at` is the first tick at which the operation is complete;
/// what it held is kept as length and hash, so that a replica can compare its own.
struct OutputMark {
  Endpoint endpoint;
  std::uint32_t length;
  std::uint64_t hash;  // short_digest_of(bytes)
  bool operator==(const OutputMark&) const = default;
};

/// Digest of CPU, devices and one slice of RAM at a grid line.
struct DigestMark {
  std::uint32_t slice;
  Digest digest;
  bool operator==(const DigestMark&) const = default;
};

/// From here on the machine is protected: the gate is closed and the arbiter's slot for `epoch` is
/// open. A backup that has not received it never arbitrates.
struct Protected {
  Epoch epoch;
  bool operator==(const Protected&) const = default;
};

/// The machine went live alone in `epoch` (after a failover, or because its backup was lost).
struct Alone {
  Epoch epoch;
  bool operator==(const Alone&) const = default;
};

/// Planned end of a run; nothing follows.
struct End {
  EndReason reason;
  Digest state;  // digest_all() at this tick.
  bool operator==(const End&) const = default;
};

using RecordBody = std::variant<ClockSync, ConsoleBytes, NetFrame, DiskDone, Control, OutputMark,
                                DigestMark, Protected, Alone, End>;

struct Record {
  JournalSeq seq;
  Tick at;
  Endpoint endpoint;  // Of inputs and output marks; kPower for the rest.
  RecordBody body;
  bool operator==(const Record&) const = default;
};

/// True for the bodies that a machine is given; the rest are marks it is compared with.
[[nodiscard]] bool is_input(const Record& record);
/// Precondition: is_input(record).
[[nodiscard]] Input to_input(const Record& record);
/// Stable name for people and JSON: "clock_sync", "console_bytes", ..., "end".
[[nodiscard]] std::string_view record_kind(const Record& record);

enum class ClockMode : std::uint8_t { kVirtual = 1, kHost = 2 };

/// What both sides of a pair, or a recording and its replay, must have in common. Everything here
/// decides bytes; a difference is refused by the name of the field.
struct MachineIdentity {
  std::uint32_t format_version = 2;
  std::string ftvm_version;
  std::string engine_version;  // libunicorn's, "2.1.4".
  std::uint64_t ram_bytes = 0;
  std::string board;  // Canonical text of the board options.
  std::string command_line;
  Digest kernel;  // Of the image files' bytes.
  Digest initramfs;
  std::int64_t boot_unix_s = 0;  // RTC at guest time 0.
  std::uint64_t entropy_seed = 0;
  ClockMode clock = ClockMode::kVirtual;
  std::uint64_t libm_probe = 0;           // Hash of x87 helper results on this host.
  std::uint32_t digest_every_lines = 16;  // A DigestMark each so many grid lines; 0 is never.
  bool operator==(const MachineIdentity&) const = default;
};

struct JournalHeader {
  MachineIdentity identity;
  std::array<std::uint8_t, 16> run_id{};  // Random, names this run.
  /// Where the journal starts: 0 and the empty digest for power-on, else a snapshot's place.
  Tick start;
  JournalSeq start_seq;  // Number of the last record before this journal.
  Digest start_snapshot;
  bool operator==(const JournalHeader&) const = default;
};

/// Takes records in order. The file writer, the channel to a peer and tests are sinks.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  /// Errors: kNoSpace, kIo: the record was not taken, and the run must stop at its tick.
  virtual Status append(const Record& record) = 0;
};

}  // namespace ftvm::replay
