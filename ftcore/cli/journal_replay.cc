#include "ftcore/cli/journal_replay.h"

#include <cstdio>
#include <utility>

#include "ftcore/cli/command.h"

namespace ftvm::cli {

using replay::JournalHeader;
using replay::Record;

Result<JournalSeq> first_position(const JournalHeader& header, const StartPoint& start) {
  const bool journal_at_power_on = header.start_snapshot == Digest{};
  const std::string wanted = journal_at_power_on
                                 ? "power-on"
                                 : "snapshot " + header.start_snapshot.hex() + " at tick " +
                                       std::to_string(header.start.value);
  if (start.at_power_on()) {
    if (journal_at_power_on) return JournalSeq{0};
    return Error(ErrorCode::kUsage,
                 "the journal starts at " + wanted + "; give that one with --snapshot FILE");
  }
  if (start.snapshot == header.start_snapshot && start.tick == header.start)
    return header.start_seq;
  const bool same_run = start.run_id == header.run_id;
  if (same_run && start.tick >= header.start && start.seq >= header.start_seq) return start.seq;
  return Error(ErrorCode::kMismatch, "the journal starts at " + wanted + "; --snapshot is " +
                                         start.snapshot.hex() + " at tick " +
                                         std::to_string(start.tick.value) + " of another run");
}

Status RecordsBehind::skip() {
  JournalSeq seen{0};
  while (seen < place_.last) {
    const std::optional<Record> record = FTVM_TRY(source_.next());
    if (!record) {
      return Error(ErrorCode::kMismatch,
                   "--snapshot was taken behind record " + std::to_string(place_.last.value) +
                       ", the journal ends at record " + std::to_string(seen.value));
    }
    if (record->at > place_.tick) {
      return Error(ErrorCode::kMismatch, "record " + std::to_string(record->seq.value) +
                                             " is of tick " + std::to_string(record->at.value) +
                                             ", --snapshot has it done at tick " +
                                             std::to_string(place_.tick.value));
    }
    seen = record->seq;
  }
  return {};
}

Result<std::optional<Record>> RecordsBehind::next() {
  if (!skipped_) skipped_ = skip();
  if (!*skipped_) return skipped_->error();
  return source_.next();
}

Result<std::unique_ptr<JournalReplay>> JournalReplay::open(const std::string& path,
                                                           const MachineOptions& options,
                                                           OnOutput on_output) {
  std::unique_ptr<JournalReplay> replay(new JournalReplay);
  replay->reader_ = FTVM_TRY(replay::JournalReader::open(path));
  const JournalHeader& header = replay->reader_->header();
  replay->guest_ = FTVM_TRY(GuestMachine::create_for(header.identity, options));
  const StartPoint& start = replay->guest_->start();
  auto position = first_position(header, start);
  if (!position) return position.error().context(path);
  // A journal that starts at a snapshot has no records before it.
  const JournalSeq skip_to = *position == header.start_seq ? JournalSeq{0} : *position;
  replay->source_ = std::make_unique<RecordsBehind>(
      *replay->reader_, RecordsBehind::Place{.last = skip_to, .tick = start.tick});
  replay->world_ = std::make_unique<replay::ReplayingWorld>(
      *replay->source_,
      replay::ReplayingWorld::Options{
          .last_seq = *position,
          .start = start.tick,
          .digest_every_lines = header.identity.digest_every_lines,
          .on_output = std::move(on_output),
          .on_divergence = [self = replay.get()] { self->place_ = self->guest_->place_text(); }});
  return replay;
}

Result<int> JournalReplay::verdict() const {
  if (!world_->source_status()) return world_->source_status().error();
  if (!world_->divergence()) return static_cast<int>(kExitOk);
  std::fprintf(stderr, "%s\n", divergence_text().c_str());
  return static_cast<int>(kExitDiverged);
}

std::string JournalReplay::divergence_text() const {
  return "diverged: " + world_->divergence()->text() + place_;
}

}  // namespace ftvm::cli
