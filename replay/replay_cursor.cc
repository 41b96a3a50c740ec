#include "replay/replay_cursor.h"

#include <algorithm>
#include <string>
#include <utility>

#include "emulator/base/assert.h"
#include "emulator/base/mark.h"
#include "replay/digest_schedule.h"
#include "replay/record_check.h"
#include "replay/record_text.h"

namespace ftvm::replay {
namespace {

/// Ends that the guest itself makes; a machine that follows must come to them by itself.
bool guest_made(EndReason reason) {
  return reason == EndReason::kPowerOff || reason == EndReason::kDebugExit ||
         reason == EndReason::kReset;
}

/// Ends that say nothing about what the machine computed.
bool decided_here(EndReason reason) {
  return !guest_made(reason) && reason != EndReason::kJournalEnd && reason != EndReason::kDeadlock;
}

/// How far the machine may run towards an End. A guest that ends by itself may need a step more to
/// do it, which then does not count as a tick: a triple fault is noticed by trying.
Tick run_limit(const Record& end) {
  return guest_made(std::get<End>(end.body).reason) ? end.at.plus(1) : end.at;
}

bool is_digest(const Record& mark) {
  return std::holds_alternative<DigestMark>(mark.body);
}

Record output_mark(const Output& output) {
  const auto length = static_cast<std::uint32_t>(output.bytes.size());
  return Record{{},
                output.at,
                output.endpoint,
                OutputMark{output.endpoint, length, short_digest_of(output.bytes)}};
}

}  // namespace

// --- The journal's side.

Status ReplayCursor::push(Record record) {
  FTVM_ASSERT(!full());
  if (closed_ || end_) return Error(ErrorCode::kBadData, "a record follows the end of the journal");
  if (record.seq != last_seq_.next()) {
    return Error(ErrorCode::kBadData, "record " + std::to_string(record.seq.value) + " follows " +
                                          std::to_string(last_seq_.value));
  }
  if (record.at < last_at_) {
    return Error(ErrorCode::kBadData, "tick " + std::to_string(record.at.value) + " of record " +
                                          std::to_string(record.seq.value) + " follows tick " +
                                          std::to_string(last_at_.value));
  }
  last_seq_ = record.seq;
  last_at_ = record.at;
  if (is_input(record)) {
    if (record.at < position_) report(DivergenceKind::kInputMissed, &record, nullptr);
    input_bytes_ += carried_bytes(record.body);
    inputs_.push_back(std::move(record));
  } else if (std::holds_alternative<OutputMark>(record.body) || is_digest(record)) {
    marks_.push_back(std::move(record));
    compare_marks();
  } else if (std::holds_alternative<End>(record.body)) {
    end_ = std::move(record);
  }
  grant(end_ ? run_limit(*end_) : last_at_);
  if (end_ && own_end_) compare_ends();
  return {};
}

void ReplayCursor::grant(Tick upto) {
  granted_ = std::max(granted_, upto);
  if (!own_.empty() && own_.front().at < granted_) report_unexpected(own_.front());
}

JournalSeq ReplayCursor::done_seq() const {
  JournalSeq first_open = last_seq_.next();
  if (!inputs_.empty()) first_open = std::min(first_open, inputs_.front().seq);
  if (!marks_.empty()) first_open = std::min(first_open, marks_.front().seq);
  if (end_) first_open = std::min(first_open, own_end_ ? first_open : end_->seq);
  return {first_open.value - 1};
}

// --- The machine's side.

void ReplayCursor::see(Tick now) {
  FTVM_ASSERT(now >= position_);
  position_ = now;
}

/// The machine has fired its timers at `now` and was given every input there is: what the journal
/// has at or before `now` must have happened.
bool ReplayCursor::settled(Tick now) const {
  return asked_at_ == now && (inputs_.empty() || inputs_.front().at > now);
}

Tick ReplayCursor::horizon(Tick now) {
  see(now);
  if (!settled(now)) return now;
  if (!marks_.empty() && marks_.front().at <= now) report_missing(marks_.front());
  if (divergence_) return now;
  Tick upto = granted_;
  if (!inputs_.empty()) upto = std::min(upto, inputs_.front().at);
  return std::max(now, upto);
}

std::vector<Input> ReplayCursor::take_inputs(Tick now) {
  see(now);
  asked_at_ = now;
  std::vector<Input> inputs;
  if (!inputs_.empty() && inputs_.front().at < now) {
    report(DivergenceKind::kInputMissed, &inputs_.front(), nullptr);
  }
  if (divergence_) return inputs;
  while (!inputs_.empty() && inputs_.front().at == now) {
    input_bytes_ -= carried_bytes(inputs_.front().body);
    inputs.push_back(to_input(inputs_.front()));
    inputs_.pop_front();
  }
  return inputs;
}

// Digests are taken where the machine stops. A running machine stops on every grid line by itself;
// an idle one only where it is told to, so it must stop wherever the recording stopped.
Tick ReplayCursor::wait_until(Tick now, Tick next_due) {
  Tick upto = std::min(next_due, horizon(now));
  if (!marks_.empty()) upto = std::min(upto, marks_.front().at);
  return std::max(now, upto);
}

ReplayCursor::Verdict ReplayCursor::on_output(const Output& output) {
  return take_own(output_mark(output));
}

void ReplayCursor::on_grid_line(Tick now, std::uint64_t line, StateProbe& probe) {
  see(now);
  const std::optional<std::uint32_t> slice = digest_slice_at(line, options_.digest_every_lines);
  if (!slice || divergence_) return;
  (void)take_own(Record{{}, now, Endpoint::kPower, DigestMark{*slice, probe.digest_slice(*slice)}});
}

ReplayCursor::Verdict ReplayCursor::take_own(Record own) {
  if (divergence_) return Verdict::kDiverged;
  const bool nothing_can_match = marks_.empty() && own.at < granted_;
  if (nothing_can_match || own_.size() == kCursorOwnMarksMax) {
    report_unexpected(own);
    return Verdict::kDiverged;
  }
  own_.push_back(std::move(own));
  compare_marks();
  if (divergence_) return Verdict::kDiverged;
  return own_.empty() ? Verdict::kSame : Verdict::kPending;
}

void ReplayCursor::compare_marks() {
  while (!divergence_ && !marks_.empty() && !own_.empty()) {
    const Record& mark = marks_.front();
    const Record& own = own_.front();
    if (mark.at == own.at && mark.body == own.body) {
      if (!is_digest(mark) && options_.on_output_met) options_.on_output_met(mark.seq);
      marks_.pop_front();
      own_.pop_front();
      continue;
    }
    if (is_digest(mark) == is_digest(own)) {
      report(is_digest(mark) ? DivergenceKind::kDigestDiffers : DivergenceKind::kOutputDiffers,
             &mark, &own);
    } else if (own.at > mark.at) {
      report_missing(mark);
    } else {
      report_unexpected(own);
    }
  }
}

bool ReplayCursor::should_end(Tick now, EndReason* reason) {
  see(now);
  if (!divergence_) {
    const bool at_end = end_ ? now >= run_limit(*end_) : closed_ && now >= granted_;
    if (!at_end || !settled(now)) return false;
    if (!marks_.empty()) report_missing(marks_.front());
    if (end_ && !own_.empty()) report_unexpected(own_.front());
    if (end_ && now > end_->at) report(DivergenceKind::kEndDiffers, &*end_, nullptr);
  }
  *reason = divergence_ ? EndReason::kDiverged : EndReason::kJournalEnd;
  return true;
}

void ReplayCursor::on_end(Tick now, EndReason reason, const Digest& state) {
  see(now);
  if (decided_here(reason)) return;
  own_end_ = Record{{}, now, Endpoint::kPower, End{reason, state}};
  if (end_) {
    compare_ends();
  } else if (now < granted_) {
    report(DivergenceKind::kEndDiffers, nullptr, &*own_end_);
  }
}

void ReplayCursor::compare_ends() {
  if (divergence_) return;
  const End& expected = std::get<End>(end_->body);
  const End& own = std::get<End>(own_end_->body);
  if (!marks_.empty() && marks_.front().at <= own_end_->at) return report_missing(marks_.front());
  if (!own_.empty()) return report_unexpected(own_.front());
  // should_end() says kJournalEnd for every reason that is not the guest's own.
  const bool same_reason = own.reason == expected.reason || own.reason == EndReason::kJournalEnd;
  if (!same_reason || end_->at != own_end_->at || expected.state != own.state) {
    return report(DivergenceKind::kEndDiffers, &*end_, &*own_end_);
  }
  // An input that makes the guest end at once leaves the ones behind it undelivered on both sides.
  inputs_.clear();
  input_bytes_ = 0;
}

// --- Reports.

void ReplayCursor::report(DivergenceKind kind, const Record* expected, const Record* actual) {
  if (divergence_) return;
  FTVM_MARK("replay.diverged");
  divergence_ = Divergence{.kind = kind,
                           .seq = expected != nullptr ? expected->seq : done_seq().next(),
                           .at_expected = expected != nullptr ? expected->at : granted_,
                           .at_seen = actual != nullptr ? actual->at : position_,
                           .expected = expected != nullptr ? describe(*expected) : "nothing",
                           .actual = actual != nullptr ? describe(*actual) : "nothing"};
}

void ReplayCursor::report_missing(const Record& mark) {
  report(is_digest(mark) ? DivergenceKind::kDigestMissing : DivergenceKind::kOutputMissing, &mark,
         nullptr);
}

void ReplayCursor::report_unexpected(const Record& own) {
  report(is_digest(own) ? DivergenceKind::kDigestUnexpected : DivergenceKind::kOutputUnexpected,
         nullptr, &own);
}

}  // namespace ftvm::replay
