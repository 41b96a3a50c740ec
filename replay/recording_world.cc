#include "replay/recording_world.h"

#include <utility>

#include "emulator/base/assert.h"
#include "emulator/base/diag.h"
#include "emulator/base/mark.h"
#include "replay/digest_schedule.h"

namespace ftvm::replay {

Status RecordingWorld::append(Tick at, Endpoint endpoint, RecordBody body) {
  FTVM_ASSERT(at >= last_at_);
  const Record record{last_seq_.next(), at, endpoint, std::move(body)};
  Status taken = sink_.append(record);
  if (taken) {
    last_seq_ = record.seq;
    last_at_ = at;
    return taken;
  }
  FTVM_MARK("record.refused");
  if (!error_) {
    error_ = taken.error();
    FTVM_DIAG(kWarn, "record.refuse")
        .kv("seq", record.seq.value)
        .kv("tick", at.value)
        .kv("kind", record_kind(record))
        .kv("error", error_->message());
  }
  return taken;
}

Status RecordingWorld::append_mark(Tick now, RecordBody body) {
  if (error_) return *error_;
  return append(now, Endpoint::kPower, std::move(body));
}

Tick RecordingWorld::horizon(Tick now) {
  return error_ ? now : inner_.horizon(now);
}

std::vector<Input> RecordingWorld::take_inputs(Tick now, GuestTime time, InputRoom room) {
  if (error_) return {};
  std::vector<Input> inputs = inner_.take_inputs(now, time, room);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    FTVM_ASSERT(inputs[i].at == now);
    const RecordBody body =
        std::visit([](const auto& what) { return RecordBody(what); }, inputs[i].body);
    if (!append(now, inputs[i].endpoint, body)) {
      inputs.erase(inputs.begin() + static_cast<std::ptrdiff_t>(i), inputs.end());
      break;
    }
  }
  return inputs;
}

// A refused record must end the run, so the machine is sent back to ask should_end().
Tick RecordingWorld::wait(Tick now, GuestTime time, Tick next_due) {
  return error_ ? now : inner_.wait(now, time, next_due);
}

void RecordingWorld::grid_line(Tick now, std::uint64_t line, StateProbe& probe) {
  const std::optional<std::uint32_t> slice = digest_slice_at(line, options_.digest_every_lines);
  if (slice && error_) mark_lost_ = true;
  if (slice && !error_ &&
      !append(now, Endpoint::kPower, DigestMark{*slice, probe.digest_slice(*slice)})) {
    mark_lost_ = true;
  }
  inner_.grid_line(now, line, probe);
}

void RecordingWorld::emit(Output output) {
  const OutputMark mark{output.endpoint, static_cast<std::uint32_t>(output.bytes.size()),
                        short_digest_of(output.bytes)};
  if (error_ || !append(output.at, output.endpoint, mark)) {
    mark_lost_ = true;
    return;
  }
  inner_.emit(std::move(output));
}

bool RecordingWorld::should_end(Tick now, EndReason* reason) {
  if (!error_) return inner_.should_end(now, reason);
  *reason = error_->code() == ErrorCode::kNoSpace ? EndReason::kDiskFull : EndReason::kStopped;
  return true;
}

void RecordingWorld::end(Tick now, EndReason reason, const Digest& state) {
  if (!mark_lost_) (void)append(now, Endpoint::kPower, End{reason, state});
  inner_.end(now, reason, state);
}

}  // namespace ftvm::replay
