#include "replay/snapshot_codec.h"

#include <algorithm>
#include <string>
#include <utility>

#include "emulator/base/assert.h"
#include "emulator/memory.h"
#include "proto/snapshot.pb.h"
#include "replay/codec_util.h"
#include "replay/header_codec.h"
#include "replay/record_check.h"

namespace ftvm::replay {
namespace {

static_assert(kRamBytesMin % kRamChunkBytes == 0);
static_assert((std::uint64_t{2} << 20) % kRamChunkBytes == 0, "RAM sizes are multiples of 2 MiB");
static_assert(kRamChunkBytes + 8 <= kFramePayloadMax);
static_assert(kStatePieceBytes <= kFramePayloadMax);

}  // namespace

Bytes encode_snapshot_preamble(const SnapshotPreamble& preamble) {
  Bytes out;
  ByteWriter writer(out);
  writer.put(kSnapshotFormatVersion);
  writer.put(preamble.place.tick.value);
  writer.put(preamble.place.seq.value);
  writer.put_bytes(preamble.place.run_id);
  writer.put(preamble.ram_bytes);
  FTVM_ASSERT(out.size() == kSnapshotFixedBytes);
  proto::SnapshotPreamble message;
  const Bytes identity = encode_identity(preamble.identity);
  message.set_identity(identity.data(), identity.size());
  message.set_state_bytes(preamble.state_bytes);
  writer.put_bytes(serialize_message(message));
  return out;
}

Result<SnapshotPreamble> decode_snapshot_preamble(ByteView payload) {
  ByteReader reader(payload);
  const auto version = reader.get<std::uint32_t>();
  if (version && *version != kSnapshotFormatVersion) {
    return Error(ErrorCode::kMismatch, "format version " + std::to_string(*version) +
                                           "; this program reads version " +
                                           std::to_string(kSnapshotFormatVersion));
  }
  FTVM_TRY(
      check_range("length of the preamble", payload.size(), kSnapshotFixedBytes, kFramePayloadMax));
  SnapshotPreamble preamble;
  preamble.place.tick = Tick{*reader.get<std::uint64_t>()};
  preamble.place.seq = JournalSeq{*reader.get<std::uint64_t>()};
  const ByteView run_id = *reader.get_bytes(preamble.place.run_id.size());
  std::copy(run_id.begin(), run_id.end(), preamble.place.run_id.begin());
  preamble.ram_bytes = *reader.get<std::uint64_t>();
  FTVM_TRY(check_range("tick", preamble.place.tick.value, 0, Tick::never().value - 1));
  FTVM_TRY(check_range("seq", preamble.place.seq.value, 0, ~std::uint64_t{0} - 2));
  FTVM_TRY(check_range("ram_bytes", preamble.ram_bytes, 0, kRamBytesMax));
  FTVM_TRY(
      check_range("ram_bytes modulo the chunk size", preamble.ram_bytes % kRamChunkBytes, 0, 0));
  proto::SnapshotPreamble message;
  FTVM_TRY(parse_message(payload.subspan(reader.position()), "preamble", &message));
  FTVM_TRY(check_known(message, "preamble"));
  preamble.identity = FTVM_TRY(decode_identity(bytes_of(message.identity())));
  FTVM_TRY(check_range("state_bytes", message.state_bytes(), 0, kSnapshotStateMax));
  preamble.state_bytes = message.state_bytes();
  return preamble;
}

Bytes encode_ram_chunk(const RamChunk& chunk) {
  FTVM_ASSERT(chunk.offset % kRamChunkBytes == 0);
  FTVM_ASSERT(chunk.bytes.size() == kRamChunkBytes);
  Bytes out;
  out.reserve(8 + kRamChunkBytes);
  ByteWriter writer(out);
  writer.put(chunk.offset);
  writer.put_bytes(chunk.bytes);
  return out;
}

Result<RamChunk> decode_ram_chunk(ByteView payload) {
  FTVM_TRY(
      check_range("length of a RAM chunk", payload.size(), 8 + kRamChunkBytes, 8 + kRamChunkBytes));
  const RamChunk chunk{load_le<std::uint64_t>(payload.data()), payload.subspan(8)};
  FTVM_TRY(check_range("offset modulo the chunk size", chunk.offset % kRamChunkBytes, 0, 0));
  return chunk;
}

Bytes encode_snapshot_end(const SnapshotEnd& end) {
  Bytes out;
  ByteWriter writer(out);
  writer.put(end.chunk_count);
  for (const std::uint64_t word : end.machine.words) writer.put(word);
  FTVM_ASSERT(out.size() == kSnapshotEndBytes);
  return out;
}

Result<SnapshotEnd> decode_snapshot_end(ByteView payload) {
  FTVM_TRY(
      check_range("length of the end frame", payload.size(), kSnapshotEndBytes, kSnapshotEndBytes));
  const std::uint8_t* from = payload.data();
  return SnapshotEnd{load_le<std::uint64_t>(from),
                     {{load_le<std::uint64_t>(from + 8), load_le<std::uint64_t>(from + 16)}}};
}

}  // namespace ftvm::replay
