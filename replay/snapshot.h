// The whole state of a machine in one file, or through one descriptor: what a checkpoint, a new
// backup and `ftvm snapshot` are made of. A snapshot is taken only where the machine may be saved,
// on a line of the tick grid; this file does not decide when.
//
// Source: docs/formats/snapshot.md; docs/architecture.md on the tick grid.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "emulator/base/digest.h"
#include "emulator/base/result.h"
#include "emulator/state.h"
#include "replay/snapshot_codec.h"

namespace ftvm::replay {

/// What a snapshot is taken of and loaded into. MachineImage is the real one.
class SnapshotImage {
 public:
  virtual ~SnapshotImage() = default;
  [[nodiscard]] virtual Tick tick() = 0;
  /// Everything but RAM.
  virtual void visit_state(StateVisitor& v) = 0;
  /// Range: a multiple of kRamChunkBytes long.
  [[nodiscard]] virtual std::span<std::uint8_t> ram() = 0;
  /// RAM reads as zero afterwards.
  virtual void clear_ram() = 0;
  /// State and RAM are another's now: drop what was derived from the old ones.
  virtual void state_loaded() = 0;
  virtual Digest digest_all() = 0;
};

/// Writes a snapshot to a blocking descriptor, chunk by chunk, for a peer or a file. `place.tick`
/// is the image's own (asserted). Threading: in the child of a fork it may be called while the
/// parent runs on. Errors: kNoSpace, kClosed, kIo.
Status write_snapshot(int fd, SnapshotImage& image, const MachineIdentity& identity,
                      const SnapshotPlace& place);

/// Reads one from a descriptor. Errors: kMismatch naming the field of the identity that differs;
/// kTornTail, kBadData, kMismatch of a later version, kIo. After an error in the preamble or the
/// state the image is as it was; after any later one it is not a machine any more and is thrown
/// away by the caller.
Result<SnapshotPlace> read_snapshot(int fd, SnapshotImage& image, const MachineIdentity& mine);

/// Replaces a file in one step (mode 0600): after a crash or an error the path holds what it held.
/// Errors: kNoSpace, kIo.
Status save_snapshot(const std::string& path, SnapshotImage& image, const MachineIdentity& identity,
                     const SnapshotPlace& place);

/// Reads the file twice: the whole of it is checked before the image is touched. So after every
/// error but two the image is as it was: kIo while reading the second time, and kBadData of a
/// snapshot whose digest is not the one of the machine it makes (its writer was wrong).
/// Errors: kNotFound, and those of read_snapshot.
Result<SnapshotPlace> load_snapshot(const std::string& path, SnapshotImage& image,
                                    const MachineIdentity& mine);

/// What and where a snapshot is, without reading more than its preamble. Errors: as above.
Result<SnapshotPreamble> read_snapshot_preamble(const std::string& path);

}  // namespace ftvm::replay
