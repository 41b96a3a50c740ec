#include "replay/journal_codec.h"

#include <string>
#include <utility>

#include "emulator/base/assert.h"
#include "proto/journal.pb.h"
#include "replay/codec_util.h"
#include "replay/record_check.h"

namespace ftvm::replay {
namespace {

// A record without the bytes it carries: its own tag and length (1 + 4), delta_ticks (11), endpoint
// (4), the body's tag and length (1 + 4), and the body itself: at most a DiskDone's request_id
// (11), status (6), tag and length of its bytes (1 + 4). An End with both halves of a digest is
// smaller.
constexpr std::size_t kRecordOverheadMax = 64;
static_assert(5 + 11 + 4 + 5 + 11 + 6 + 5 <= kRecordOverheadMax);
static_assert(11 + 11 <= kBatchOverheadMax);

/// The endpoint that costs nothing: the one this kind of record nearly always has.
Endpoint usual_endpoint(const RecordBody& body) {
  if (std::holds_alternative<ClockSync>(body)) return Endpoint::kClock;
  if (std::holds_alternative<ConsoleBytes>(body)) return Endpoint::kConsole;
  if (std::holds_alternative<OutputMark>(body)) return Endpoint::kConsole;
  if (std::holds_alternative<NetFrame>(body)) return Endpoint::kNet0;
  if (std::holds_alternative<DiskDone>(body)) return Endpoint::kDisk0;
  return Endpoint::kPower;
}

// Structs to protobuf, one overload per body.
void fill(proto::Record* out, const ClockSync& body) {
  out->mutable_clock_sync()->set_base_ns(body.base.ns);
  out->mutable_clock_sync()->set_ps_per_tick(body.ps_per_tick);
}
void fill(proto::Record* out, const ConsoleBytes& body) {
  out->mutable_console_bytes()->set_offset(body.offset);
  out->mutable_console_bytes()->set_bytes(body.bytes.data(), body.bytes.size());
}
void fill(proto::Record* out, const NetFrame& body) {
  out->mutable_net_frame()->set_bytes(body.bytes.data(), body.bytes.size());
}
void fill(proto::Record* out, const DiskDone& body) {
  out->mutable_disk_done()->set_request_id(body.request_id);
  out->mutable_disk_done()->set_status(body.status);
  out->mutable_disk_done()->set_bytes(body.bytes.data(), body.bytes.size());
}
void fill(proto::Record* out, const Control& body) {
  out->set_control(static_cast<std::uint32_t>(body));
}
void fill(proto::Record* out, const OutputMark& body) {
  out->mutable_output_mark()->set_length(body.length);
  out->mutable_output_mark()->set_hash(body.hash);
}
void fill(proto::Record* out, const DigestMark& body) {
  out->mutable_digest_mark()->set_slice(body.slice);
  set_digest(out->mutable_digest_mark(), body.digest);
}
void fill(proto::Record* out, const Protected& body) {
  out->set_protected_epoch(body.epoch.value);
}
void fill(proto::Record* out, const Alone& body) {
  out->set_alone_epoch(body.epoch.value);
}
void fill(proto::Record* out, const End& body) {
  out->mutable_end()->set_reason(static_cast<std::uint32_t>(body.reason));
  set_digest(out->mutable_end(), body.state);
}

// Protobuf to structs. An enum value is narrowed only after its range was checked, because a large
// one could become a known one by losing its upper bits.
Result<Control> to_control(std::uint32_t value) {
  FTVM_TRY(check_range("control", value, 1, 255));
  return static_cast<Control>(value);
}

Result<RecordBody> to_end(const proto::End& in) {
  FTVM_TRY(check_known(in, "end"));
  FTVM_TRY(check_range("reason", in.reason(), 1, 255));
  return RecordBody(End{static_cast<EndReason>(in.reason()), get_digest(in)});
}

Result<RecordBody> to_output_mark(const proto::Record& in, Endpoint endpoint) {
  FTVM_TRY(check_known(in.output_mark(), "output_mark"));
  return RecordBody(OutputMark{endpoint, in.output_mark().length(), in.output_mark().hash()});
}

Result<RecordBody> to_body(const proto::Record& in) {
  switch (in.body_case()) {
    case proto::Record::kClockSync:
      FTVM_TRY(check_known(in.clock_sync(), "clock_sync"));
      return RecordBody(ClockSync{{in.clock_sync().base_ns()}, in.clock_sync().ps_per_tick()});
    case proto::Record::kConsoleBytes:
      FTVM_TRY(check_known(in.console_bytes(), "console_bytes"));
      return RecordBody(
          ConsoleBytes{in.console_bytes().offset(), bytes_of(in.console_bytes().bytes())});
    case proto::Record::kNetFrame:
      FTVM_TRY(check_known(in.net_frame(), "net_frame"));
      return RecordBody(NetFrame{bytes_of(in.net_frame().bytes())});
    case proto::Record::kDiskDone:
      FTVM_TRY(check_known(in.disk_done(), "disk_done"));
      return RecordBody(DiskDone{in.disk_done().request_id(), in.disk_done().status(),
                                 bytes_of(in.disk_done().bytes())});
    case proto::Record::kControl:
      return RecordBody(FTVM_TRY(to_control(in.control())));
    case proto::Record::kOutputMark:
      return to_output_mark(in, Endpoint::kConsole);
    case proto::Record::kDigestMark:
      FTVM_TRY(check_known(in.digest_mark(), "digest_mark"));
      return RecordBody(DigestMark{in.digest_mark().slice(), get_digest(in.digest_mark())});
    case proto::Record::kProtectedEpoch:
      return RecordBody(Protected{{in.protected_epoch()}});
    case proto::Record::kAloneEpoch:
      return RecordBody(Alone{{in.alone_epoch()}});
    case proto::Record::kEnd:
      return to_end(in.end());
    default:
      return Error(ErrorCode::kBadData, "a record of no kind this version knows");
  }
}

/// `before` is the tick of the record before, or the batch's first tick.
Result<Record> to_record(const proto::Record& in, JournalSeq seq, Tick before) {
  FTVM_TRY(check_known(in, "record"));
  if (in.delta_ticks() > Tick::never().value - before.value) {
    return Error(ErrorCode::kBadData, "the tick overflows");
  }
  FTVM_TRY(check_range("endpoint", in.endpoint(), 0, 0xffff));
  Record record{seq, {before.value + in.delta_ticks()}, Endpoint::kPower, FTVM_TRY(to_body(in))};
  record.endpoint =
      in.endpoint() == 0 ? usual_endpoint(record.body) : static_cast<Endpoint>(in.endpoint());
  if (auto* mark = std::get_if<OutputMark>(&record.body)) mark->endpoint = record.endpoint;
  FTVM_TRY(check_record(record));
  return record;
}

}  // namespace

std::size_t encoded_bytes_max(const Record& record) {
  return kRecordOverheadMax + carried_bytes(record.body);
}

Bytes encode_records(std::span<const Record> records) {
  FTVM_ASSERT(!records.empty());
  FTVM_ASSERT(records.size() <= kBatchRecordsMax);
  proto::RecordBatch batch;
  batch.set_first_seq(records.front().seq.value);
  batch.set_first_tick(records.front().at.value);
  batch.mutable_records()->Reserve(static_cast<int>(records.size()));
  JournalSeq seq = records.front().seq;
  Tick at = records.front().at;
  std::size_t bytes_max = kBatchOverheadMax;
  for (const Record& record : records) {
    FTVM_ASSERT(record.seq == seq);
    FTVM_ASSERT(record.at >= at);
    FTVM_SLOW_ASSERT(check_record(record).has_value());
    const auto* mark = std::get_if<OutputMark>(&record.body);
    FTVM_ASSERT(mark == nullptr || mark->endpoint == record.endpoint);
    FTVM_ASSERT(&record == &records.back() || !std::holds_alternative<End>(record.body));
    proto::Record* out = batch.add_records();
    out->set_delta_ticks(record.at.value - at.value);
    if (record.endpoint != usual_endpoint(record.body)) {
      out->set_endpoint(static_cast<std::uint32_t>(record.endpoint));
    }
    std::visit([out](const auto& body) { fill(out, body); }, record.body);
    bytes_max += encoded_bytes_max(record);
    seq = seq.next();
    at = record.at;
  }
  Bytes bytes = serialize_message(batch);
  FTVM_ASSERT(bytes.size() <= bytes_max);
  return bytes;
}

Result<std::vector<Record>> decode_records(ByteView payload) {
  proto::RecordBatch batch;
  FTVM_TRY(parse_message(payload, "record batch", &batch));
  FTVM_TRY(check_known(batch, "record batch"));
  const auto count = static_cast<std::uint64_t>(batch.records_size());
  FTVM_TRY(check_range("record count", count, 1, kBatchRecordsMax));
  FTVM_TRY(check_range("first seq", batch.first_seq(), 1, ~std::uint64_t{0} - count));
  std::vector<Record> records;
  records.reserve(count);
  JournalSeq seq{batch.first_seq()};
  Tick at{batch.first_tick()};
  for (const proto::Record& in : batch.records()) {
    Result<Record> record = to_record(in, seq, at);
    if (record && !records.empty() && std::holds_alternative<End>(records.back().body)) {
      record = Error(ErrorCode::kBadData, "it follows the end of the run");
    }
    if (!record) return std::move(record.error().context("record " + std::to_string(seq.value)));
    at = record->at;
    seq = seq.next();
    records.push_back(*std::move(record));
  }
  return records;
}

Bytes encode_end(const JournalEnd& end) {
  Bytes out;
  ByteWriter writer(out);
  writer.put(end.record_count);
  writer.put(end.last_seq.value);
  writer.put(end.last_tick.value);
  for (const std::uint64_t word : end.state.words) writer.put(word);
  FTVM_ASSERT(out.size() == kJournalEndBytes);
  return out;
}

Result<JournalEnd> decode_end(ByteView payload) {
  FTVM_TRY(
      check_range("length of the end frame", payload.size(), kJournalEndBytes, kJournalEndBytes));
  const std::uint8_t* from = payload.data();
  return JournalEnd{load_le<std::uint64_t>(from),
                    {load_le<std::uint64_t>(from + 8)},
                    {load_le<std::uint64_t>(from + 16)},
                    {{load_le<std::uint64_t>(from + 24), load_le<std::uint64_t>(from + 32)}}};
}

}  // namespace ftvm::replay
