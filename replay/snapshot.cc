#include "replay/snapshot.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include "emulator/base/assert.h"
#include "emulator/base/file.h"
#include "emulator/base/scoped_fd.h"
#include "replay/compress.h"
#include "replay/frame.h"
#include "replay/identity.h"
#include "replay/snapshot_reader.h"

namespace ftvm::replay {
namespace {

constexpr mode_t kMode = 0600;  // RAM holds everything the guest knows.

bool all_zero(ByteView bytes) {
  // The first byte is zero and each byte equals the one before it.
  return bytes.empty() ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

Bytes save_state(SnapshotImage& image) {
  Bytes state;
  StateSaver saver(state);
  image.visit_state(saver);
  return state;
}

/// Errors: kBadData, naming the field; some fields are loaded then.
Status load_state(SnapshotImage& image, ByteView state) {
  StateLoader loader(state);
  image.visit_state(loader);
  return loader.finish();
}

Status write_packed(int fd, FrameType type, ByteView plain) {
  const Bytes packed = compress(plain, kZstdLevelFast);
  Bytes frame;
  if (packed.size() < plain.size()) {
    append_frame(frame, type, packed, kFrameZstd);
  } else {
    append_frame(frame, type, plain);
  }
  return write_all(fd, frame);
}

Status write_ram(int fd, SnapshotImage& image) {
  SnapshotEnd end;
  const ByteView ram = image.ram();
  for (std::uint64_t offset = 0; offset < ram.size(); offset += kRamChunkBytes) {
    const ByteView bytes = ram.subspan(offset, kRamChunkBytes);
    if (all_zero(bytes)) continue;
    FTVM_TRY(write_packed(fd, FrameType::kSnapshotRam, encode_ram_chunk({offset, bytes})));
    ++end.chunk_count;
  }
  end.machine = image.digest_all();
  Bytes frame;
  append_frame(frame, FrameType::kSnapshotEnd, encode_snapshot_end(end));
  return write_all(fd, frame);
}

Status check_belongs(const SnapshotPreamble& preamble, SnapshotImage& image,
                     const MachineIdentity& mine) {
  FTVM_TRY(check_identity(preamble.identity, mine));
  if (preamble.ram_bytes == image.ram().size()) return {};
  return Error(ErrorCode::kMismatch, "RAM is " + std::to_string(preamble.ram_bytes) +
                                         " bytes there and " + std::to_string(image.ram().size()) +
                                         " here");
}

/// State is either loaded or as it was.
Status replace_state(SnapshotImage& image, ByteView state) {
  const Bytes before = save_state(image);
  Status loaded = load_state(image, state);
  if (loaded) return loaded;
  const Status restored = load_state(image, before);
  FTVM_ASSERT(restored.has_value());  // It is what this very image has just saved.
  image.state_loaded();
  return std::move(loaded.error().context("state"));
}

/// From the state on; the preamble was read and is this machine's.
Status read_into(SnapshotReader& reader, SnapshotImage& image, const SnapshotPreamble& preamble) {
  const Bytes state = FTVM_TRY(reader.read_state());
  FTVM_TRY(replace_state(image, state));
  const std::span<std::uint8_t> ram = image.ram();
  image.clear_ram();
  while (const std::optional<RamChunk> chunk = FTVM_TRY(reader.next_ram())) {
    FTVM_ASSERT(chunk->offset + chunk->bytes.size() <= ram.size());
    std::copy(chunk->bytes.begin(), chunk->bytes.end(),
              ram.begin() + static_cast<std::ptrdiff_t>(chunk->offset));
  }
  image.state_loaded();
  if (image.tick() != preamble.place.tick) {
    return Error(ErrorCode::kBadData, "the preamble says tick " +
                                          std::to_string(preamble.place.tick.value) +
                                          ", the state says " + std::to_string(image.tick().value));
  }
  const Digest made = image.digest_all();
  if (made == reader.end().machine) return {};
  return Error(ErrorCode::kBadData, "the loaded machine has digest " + made.hex() +
                                        ", the snapshot says " + reader.end().machine.hex());
}

/// Reads a file to its end without using anything of it.
Result<SnapshotPreamble> check_file(int fd, SnapshotImage& image, const MachineIdentity& mine) {
  SnapshotReader reader(fd);
  SnapshotPreamble preamble = FTVM_TRY(reader.read_preamble());
  FTVM_TRY(check_belongs(preamble, image, mine));
  FTVM_TRY(reader.read_state());
  while (FTVM_TRY(reader.next_ram())) {
  }
  FTVM_TRY(reader.check_nothing_follows());
  return preamble;
}

Result<SnapshotPlace> load_from(int fd, SnapshotImage& image, const MachineIdentity& mine) {
  const SnapshotPreamble checked = FTVM_TRY(check_file(fd, image, mine));
  if (::lseek(fd, 0, SEEK_SET) != 0) return error_from_errno("rewind");
  const SnapshotPlace place = FTVM_TRY(read_snapshot(fd, image, mine));
  if (place == checked.place) return place;
  return Error(ErrorCode::kIo, "the file changed while it was read");
}

Result<ScopedFd> open_snapshot(const std::string& path) {
  ScopedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return Error(ErrorCode::kNotFound, "no such snapshot");
  if (!fd) return error_from_errno("open");
  return fd;
}

Status sync_folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const ScopedFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return error_from_errno("sync folder " + folder);
  return {};
}

}  // namespace

Status write_snapshot(int fd, SnapshotImage& image, const MachineIdentity& identity,
                      const SnapshotPlace& place) {
  FTVM_ASSERT(place.tick == image.tick());
  FTVM_ASSERT(image.ram().size() % kRamChunkBytes == 0);
  const Bytes state = save_state(image);
  FTVM_ASSERT(state.size() <= kSnapshotStateMax);
  Bytes frame;
  append_frame(frame, FrameType::kSnapshotPreamble,
               encode_snapshot_preamble({.place = place,
                                         .ram_bytes = image.ram().size(),
                                         .state_bytes = state.size(),
                                         .identity = identity}));
  FTVM_TRY(write_all(fd, frame));
  for (std::size_t at = 0; at < state.size(); at += kStatePieceBytes) {
    const std::size_t size = std::min(kStatePieceBytes, state.size() - at);
    FTVM_TRY(write_packed(fd, FrameType::kSnapshotState, ByteView(state).subspan(at, size)));
  }
  return write_ram(fd, image);
}

Result<SnapshotPlace> read_snapshot(int fd, SnapshotImage& image, const MachineIdentity& mine) {
  SnapshotReader reader(fd);
  const SnapshotPreamble preamble = FTVM_TRY(reader.read_preamble());
  FTVM_TRY(check_belongs(preamble, image, mine));
  FTVM_TRY(read_into(reader, image, preamble));
  return preamble.place;
}

Status save_snapshot(const std::string& path, SnapshotImage& image, const MachineIdentity& identity,
                     const SnapshotPlace& place) {
  // In the same folder, because rename(2) replaces in one step only within a file system.
  std::string temporary = path + ".XXXXXX";
  const ScopedFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return error_from_errno("create " + temporary);
  Status status;
  if (::fchmod(fd.get(), kMode) != 0) status = error_from_errno("set mode");
  if (status) status = write_snapshot(fd.get(), image, identity, place);
  if (status && ::fsync(fd.get()) != 0) status = error_from_errno("sync");
  if (status && ::rename(temporary.c_str(), path.c_str()) != 0) status = error_from_errno("rename");
  if (!status) {
    (void)::unlink(temporary.c_str());
    return std::move(status.error().context("save " + path));
  }
  return sync_folder_of(path);
}

Result<SnapshotPlace> load_snapshot(const std::string& path, SnapshotImage& image,
                                    const MachineIdentity& mine) {
  Result<ScopedFd> fd = open_snapshot(path);
  if (!fd) return std::move(fd.error().context(path));
  Result<SnapshotPlace> place = load_from(fd->get(), image, mine);
  if (!place) return std::move(place.error().context(path));
  return place;
}

Result<SnapshotPreamble> read_snapshot_preamble(const std::string& path) {
  Result<ScopedFd> fd = open_snapshot(path);
  if (!fd) return std::move(fd.error().context(path));
  SnapshotReader reader(fd->get());
  Result<SnapshotPreamble> preamble = reader.read_preamble();
  if (!preamble) return std::move(preamble.error().context(path));
  return preamble;
}

}  // namespace ftvm::replay
