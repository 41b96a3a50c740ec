#include "replay/snapshot_reader.h"

#include <string>
#include <utility>

namespace ftvm::replay {
namespace {

Error misplaced(const FrameStep& step) {
  const Error error(ErrorCode::kBadData, "a frame of type " +
                                             std::to_string(static_cast<int>(step.frame.type)) +
                                             " has no place here");
  return at_offset(error, step.offset);
}

}  // namespace

Result<FrameStep> SnapshotReader::next_frame() {
  const FrameStep step = FTVM_TRY(frames_.next());
  if (step.verdict == FrameVerdict::kFrame) return step;
  return Error(ErrorCode::kTornTail, "the snapshot ends at byte " + std::to_string(step.offset) +
                                         " without an end frame");
}

Result<SnapshotPreamble> SnapshotReader::read_preamble() {
  const FrameStep step = FTVM_TRY(next_frame());
  if (step.frame.type != FrameType::kSnapshotPreamble) {
    return Error(ErrorCode::kBadData, "not a snapshot: it starts with a frame of type " +
                                          std::to_string(static_cast<int>(step.frame.type)));
  }
  if (step.frame.flags != 0) return Error(ErrorCode::kBadData, "the preamble has flags");
  Result<SnapshotPreamble> preamble = decode_snapshot_preamble(step.frame.payload);
  if (!preamble) return std::move(preamble.error().context("preamble"));
  preamble_ = *preamble;
  return preamble;
}

Result<Bytes> SnapshotReader::read_state() {
  Bytes state;
  while (state.size() < preamble_.state_bytes) {
    const FrameStep step = FTVM_TRY(next_frame());
    if (step.frame.type != FrameType::kSnapshotState) return misplaced(step);
    Result<ByteView> piece = plain_payload(step.frame, &storage_);
    if (!piece) return at_offset(piece.error(), step.offset);
    if (piece->empty() || piece->size() > preamble_.state_bytes - state.size()) {
      return at_offset(Error(ErrorCode::kBadData, "more or less state than the preamble says"),
                       step.offset);
    }
    state.insert(state.end(), piece->begin(), piece->end());
  }
  return state;
}

Result<std::optional<RamChunk>> SnapshotReader::next_ram() {
  const FrameStep step = FTVM_TRY(next_frame());
  if (step.frame.type == FrameType::kSnapshotEnd) {
    if (step.frame.flags != 0) return misplaced(step);
    Result<SnapshotEnd> end = decode_snapshot_end(step.frame.payload);
    if (!end) return at_offset(end.error(), step.offset);
    if (end->chunk_count != chunk_count_) {
      return at_offset(
          Error(ErrorCode::kBadData, "the end frame counts " + std::to_string(end->chunk_count) +
                                         " chunks, there are " + std::to_string(chunk_count_)),
          step.offset);
    }
    end_ = *end;
    return std::optional<RamChunk>();
  }
  if (step.frame.type != FrameType::kSnapshotRam) return misplaced(step);
  Result<ByteView> payload = plain_payload(step.frame, &storage_);
  if (!payload) return at_offset(payload.error(), step.offset);
  Result<RamChunk> chunk = decode_ram_chunk(*payload);
  if (!chunk) return at_offset(chunk.error(), step.offset);
  // Not `offset + size > ram`, which could overflow.
  if (chunk->offset < next_offset_ || chunk->offset >= preamble_.ram_bytes) {
    return at_offset(Error(ErrorCode::kBadData, "RAM at " + std::to_string(chunk->offset) +
                                                    " is out of order or beyond the end of RAM"),
                     step.offset);
  }
  next_offset_ = chunk->offset + kRamChunkBytes;
  ++chunk_count_;
  return std::optional<RamChunk>(*chunk);
}

Status SnapshotReader::check_nothing_follows() {
  const FrameStep step = FTVM_TRY(frames_.next());
  if (step.verdict == FrameVerdict::kEnd) return {};
  return at_offset(Error(ErrorCode::kBadData, "something follows the end frame"), step.offset);
}

}  // namespace ftvm::replay
