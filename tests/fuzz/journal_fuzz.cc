// Journals from hostile bytes: never a crash, never a record out of range or out of order. The
// first byte of the input says which door the rest is pushed through.
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "replay/frame.h"
#include "replay/header_codec.h"
#include "replay/journal_codec.h"
#include "replay/journal_reader.h"
#include "replay/record_check.h"
#include "tests/support/fuzz_file.h"

namespace {

using namespace ftvm;
using namespace ftvm::replay;

void must(bool holds) {
  if (!holds) std::abort();
}

void read_file(ByteView bytes) {
  const test::MemoryFile file(bytes);
  auto opened = JournalReader::open(file.path());
  if (!opened) return;
  JournalReader& reader = **opened;
  JournalSeq last_seq = reader.header().start_seq;
  Tick last_at = reader.header().start;
  bool ended = false;
  for (;;) {
    const Result<std::optional<Record>> next = reader.next();
    if (!next) {
      must(!next.error().message().empty());
      return;
    }
    if (!next->has_value()) break;
    const Record& record = **next;
    must(check_record(record).has_value());
    must(record.seq == last_seq.next() && record.at >= last_at && !ended);
    last_seq = record.seq;
    last_at = record.at;
    ended = std::holds_alternative<End>(record.body);
  }
  must(reader.tail().kind != TailKind::kUnread);
  must(reader.tail().kind != TailKind::kComplete || ended);
  must(reader.tail().offset <= bytes.size());
}

void decode_batch(ByteView bytes) {
  const auto records = decode_records(bytes);
  if (!records) return;
  const auto again = decode_records(encode_records(*records));
  must(again.has_value() && *again == *records);
}

void decode_head(ByteView bytes) {
  const auto header = decode_header(bytes);
  if (!header) return;
  const auto again = decode_header(encode_header(*header));
  must(again.has_value() && *again == *header);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input(data + 1, size - 1);
  Bytes file;
  switch (data[0] % 5) {
    case 0:
      read_file(input);
      break;
    case 1:
      read_file(test::framed(input));
      break;
    case 2:
      append_frame(file, FrameType::kJournalHeader, encode_header({}));
      append_frame(file, FrameType::kRecords, input);
      read_file(file);
      break;
    case 3:
      decode_batch(input);
      break;
    default:
      decode_head(input);
      break;
  }
  return 0;
}
