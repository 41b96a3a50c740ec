#include "replay/header_codec.h"

#include <algorithm>
#include <string>
#include <utility>

#include "emulator/base/assert.h"
#include "emulator/memory.h"
#include "proto/journal.pb.h"
#include "replay/codec_util.h"
#include "replay/record_check.h"

namespace ftvm::replay {
namespace {

void fill(proto::MachineIdentity* out, const MachineIdentity& in) {
  for (const std::string* text :
       {&in.ftvm_version, &in.engine_version, &in.board, &in.command_line}) {
    FTVM_ASSERT(text->size() <= kIdentityTextMax);
  }
  out->set_format_version(in.format_version);
  out->set_ftvm_version(in.ftvm_version);
  out->set_engine_version(in.engine_version);
  out->set_ram_bytes(in.ram_bytes);
  out->set_board(in.board);
  out->set_command_line(in.command_line);
  set_digest(out->mutable_kernel(), in.kernel);
  set_digest(out->mutable_initramfs(), in.initramfs);
  out->set_boot_unix_s(in.boot_unix_s);
  out->set_entropy_seed(in.entropy_seed);
  out->set_clock(static_cast<std::uint32_t>(in.clock));
  out->set_libm_probe(in.libm_probe);
  out->set_digest_every_lines(in.digest_every_lines);
}

Result<MachineIdentity> to_identity(const proto::MachineIdentity& in) {
  FTVM_TRY(check_known(in, "identity"));
  FTVM_TRY(check_known(in.kernel(), "kernel digest"));
  FTVM_TRY(check_known(in.initramfs(), "initramfs digest"));
  FTVM_TRY(check_range("length of ftvm_version", in.ftvm_version().size(), 0, kIdentityTextMax));
  FTVM_TRY(
      check_range("length of engine_version", in.engine_version().size(), 0, kIdentityTextMax));
  FTVM_TRY(check_range("length of board", in.board().size(), 0, kIdentityTextMax));
  FTVM_TRY(check_range("length of command_line", in.command_line().size(), 0, kIdentityTextMax));
  FTVM_TRY(check_range("ram_bytes", in.ram_bytes(), 0, kRamBytesMax));
  FTVM_TRY(check_range("clock", in.clock(), static_cast<std::uint64_t>(ClockMode::kVirtual),
                       static_cast<std::uint64_t>(ClockMode::kHost)));
  return MachineIdentity{.format_version = in.format_version(),
                         .ftvm_version = in.ftvm_version(),
                         .engine_version = in.engine_version(),
                         .ram_bytes = in.ram_bytes(),
                         .board = in.board(),
                         .command_line = in.command_line(),
                         .kernel = get_digest(in.kernel()),
                         .initramfs = get_digest(in.initramfs()),
                         .boot_unix_s = in.boot_unix_s(),
                         .entropy_seed = in.entropy_seed(),
                         .clock = static_cast<ClockMode>(in.clock()),
                         .libm_probe = in.libm_probe(),
                         .digest_every_lines = in.digest_every_lines()};
}

Result<JournalHeader> to_header(const proto::JournalHeader& in) {
  FTVM_TRY(check_known(in, "header"));
  FTVM_TRY(check_known(in.start_snapshot(), "snapshot digest"));
  JournalHeader header;
  header.identity = FTVM_TRY(to_identity(in.identity()));
  FTVM_TRY(check_range("length of run_id", in.run_id().size(), header.run_id.size(),
                       header.run_id.size()));
  std::copy(in.run_id().begin(), in.run_id().end(), header.run_id.begin());
  FTVM_TRY(check_range("start_tick", in.start_tick(), 0, Tick::never().value - 1));
  FTVM_TRY(check_range("start_seq", in.start_seq(), 0, ~std::uint64_t{0} - 2));
  header.start = Tick{in.start_tick()};
  header.start_seq = JournalSeq{in.start_seq()};
  header.start_snapshot = get_digest(in.start_snapshot());
  return header;
}

}  // namespace

Bytes encode_identity(const MachineIdentity& identity) {
  proto::MachineIdentity message;
  fill(&message, identity);
  return serialize_message(message);
}

Result<MachineIdentity> decode_identity(ByteView payload) {
  proto::MachineIdentity message;
  FTVM_TRY(parse_message(payload, "identity", &message));
  return to_identity(message);
}

Bytes encode_header(const JournalHeader& header) {
  FTVM_ASSERT(header.identity.format_version == kJournalFormatVersion);
  proto::JournalHeader message;
  fill(message.mutable_identity(), header.identity);
  message.set_run_id(header.run_id.data(), header.run_id.size());
  message.set_start_tick(header.start.value);
  message.set_start_seq(header.start_seq.value);
  set_digest(message.mutable_start_snapshot(), header.start_snapshot);
  Bytes out;
  ByteWriter writer(out);
  writer.put(kJournalFormatVersion);
  writer.put_bytes(serialize_message(message));
  return out;
}

Result<JournalHeader> decode_header(ByteView payload) {
  ByteReader reader(payload);
  const std::optional<std::uint32_t> version = reader.get<std::uint32_t>();
  if (!version) return Error(ErrorCode::kBadData, "the header is too short for a format version");
  if (*version != kJournalFormatVersion) {
    return Error(ErrorCode::kMismatch, "format version " + std::to_string(*version) +
                                           "; this program reads version " +
                                           std::to_string(kJournalFormatVersion));
  }
  proto::JournalHeader message;
  FTVM_TRY(parse_message(payload.subspan(reader.position()), "header", &message));
  JournalHeader header = FTVM_TRY(to_header(message));
  FTVM_TRY(check_range("format_version", header.identity.format_version, *version, *version));
  return header;
}

}  // namespace ftvm::replay
