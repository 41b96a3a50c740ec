#include "devices/pit_channel.h"

#include <algorithm>

namespace ftvm::devices {
namespace {

constexpr std::uint32_t kCountMax = 65'536;
constexpr PitPulses kPulsesMax = PitPulses{1} << 56;  // More than fit in any guest time.
constexpr std::uint8_t kAccessLow = 1;
constexpr std::uint8_t kAccessHigh = 2;
constexpr std::uint8_t kAccessBoth = 3;
constexpr std::uint8_t kStatusOut = 0x80;
constexpr std::uint8_t kStatusNullCount = 0x40;

/// Pulses for which OUT is high in a cycle of mode 3.
constexpr PitPulses high_half(std::uint32_t count) {
  return (count + 1) / 2;
}

constexpr std::uint16_t to_bcd(unsigned value) {
  unsigned digits = 0;
  for (unsigned shift = 0; shift < 16; shift += 4, value /= 10) digits |= (value % 10) << shift;
  return static_cast<std::uint16_t>(digits);
}
static_assert(to_bcd(9876) == 0x9876);
static_assert(to_bcd(10000) == 0);

constexpr unsigned from_bcd(unsigned digits) {
  unsigned value = 0;
  for (unsigned scale = 1; digits != 0; digits >>= 4, scale *= 10) value += (digits & 15) * scale;
  return value;
}
static_assert(from_bcd(0x9876) == 9876);

}  // namespace

void PitChannel::start(std::uint8_t mode, std::uint32_t count, bool gate, PitPulses now) {
  *this = PitChannel{};
  mode_ = mode;
  gate_ = gate;
  loaded_ = true;
  paused_ = !gate;
  cycle_ = {now, count};
  written_count_ = count;
}

/// The cycle in force at `now`.
PitChannel::Cycle PitChannel::cycle_at(PitPulses now) const {
  return successor_waits_ && now >= switch_at_ ? successor_ : cycle_;
}

/// Makes a successor whose time has come the current cycle. Changes nothing that can be seen.
void PitChannel::settle(PitPulses now) {
  if (!successor_waits_ || now < switch_at_) return;
  cycle_ = successor_;
  successor_waits_ = false;
}

/// Pulses counted since the cycle began. A count written at one pulse is loaded by the next, and
/// until then nothing has elapsed.
PitPulses PitChannel::elapsed(const Cycle& cycle, PitPulses now) const {
  if (paused_) return paused_elapsed_;
  return std::max<PitPulses>(0, now - cycle.origin);
}

std::uint32_t PitChannel::decode(std::uint16_t written) const {
  std::uint32_t count = bcd_ ? from_bcd(written) : written;
  if (count == 0) count = bcd_ ? 10'000 : 65'536;
  return periodic() ? std::max<std::uint32_t>(count, 2) : count;
}

std::uint16_t PitChannel::encode(PitPulses value) const {
  return bcd_ ? to_bcd(static_cast<unsigned>(value % 10'000)) : static_cast<std::uint16_t>(value);
}

std::uint16_t PitChannel::visible_count(PitPulses now) const {
  if (!loaded_) return idle_count_;
  const Cycle cycle = cycle_at(now);
  const PitPulses count = cycle.count;
  const PitPulses passed = elapsed(cycle, now);
  if (mode_ == 2) return encode(count - passed % count);
  if (mode_ == 3) {
    // Counts down by two in each half, from an even number, so that it runs twice through a cycle.
    const PitPulses high = high_half(cycle.count);
    const PitPulses at = passed % count;
    return encode((count & ~PitPulses{1}) - 2 * (at < high ? at : at - high));
  }
  const PitPulses wrap = bcd_ ? 10'000 : 65'536;
  return encode((count - passed % wrap + wrap) % wrap);
}

bool PitChannel::null_count(PitPulses now) const {
  if (!loaded_ || trigger_waits_) return true;
  if (successor_waits_ && now < switch_at_) return true;
  return !paused_ && now < cycle_at(now).origin;
}

bool PitChannel::out(PitPulses now) const {
  if (!loaded_) return mode_ != 0;
  const Cycle cycle = cycle_at(now);
  const PitPulses count = cycle.count;
  const PitPulses passed = elapsed(cycle, now);
  switch (mode_) {
    case 0:
      return passed >= count;
    case 1:
      return now < cycle.origin || passed >= count;
    case 2:
      return paused_ || passed % count != count - 1;
    case 3:
      return paused_ || passed % count < high_half(cycle.count);
    default:
      return passed != count;
  }
}

std::optional<PitPulses> PitChannel::next_rise(PitPulses now) const {
  if (!loaded_ || paused_) return std::nullopt;
  const Cycle cycle = cycle_at(now);
  const PitPulses count = cycle.count;
  if (!periodic()) {
    const PitPulses low_until = cycle.origin + count + (mode_ >= 4 ? 1 : 0);
    return low_until > now ? std::optional(low_until) : std::nullopt;
  }
  const PitPulses whole = elapsed(cycle, now) / count;
  const PitPulses rise = cycle.origin + (whole + 1) * count;
  if (!successor_waits_ || now >= switch_at_ || rise <= switch_at_) return rise;
  // Mode 3, taken over in the middle of the cycle: the new count makes the low half.
  return successor_.origin + successor_.count;
}

std::uint64_t PitChannel::cycles(PitPulses now) const {
  if (!loaded_ || !periodic()) return 0;
  const Cycle cycle = cycle_at(now);
  return static_cast<std::uint64_t>(elapsed(cycle, now) / cycle.count);
}

void PitChannel::write_control(std::uint8_t value, PitPulses now) {
  idle_count_ = visible_count(now);
  access_ = (value >> 4) & 3;
  mode_ = (value >> 1) & 7;
  if (mode_ > 5) mode_ -= 4;  // M2 does not matter in modes 2 and 3.
  bcd_ = (value & 1) != 0;
  write_high_next_ = read_high_next_ = false;
  count_latch_bytes_ = 0;
  status_latched_ = false;
  loaded_ = paused_ = successor_waits_ = trigger_waits_ = false;
  paused_elapsed_ = 0;
}

bool PitChannel::write_count(std::uint8_t value, PitPulses now) {
  if (access_ == kAccessBoth && !write_high_next_) {
    low_byte_ = value;
    write_high_next_ = true;
    if (mode_ == 0) {  // The first byte stops the count and sets OUT low.
      idle_count_ = visible_count(now);
      loaded_ = false;
    }
    return false;
  }
  const std::uint8_t low = access_ == kAccessBoth ? low_byte_ : access_ == kAccessLow ? value : 0;
  const std::uint8_t high = access_ == kAccessLow ? 0 : value;
  write_high_next_ = false;
  load(decode(static_cast<std::uint16_t>(low | (high << 8))), now);
  return true;
}

/// A complete count was written.
void PitChannel::load(std::uint32_t count, PitPulses now) {
  settle(now);
  written_count_ = count;
  if (triggered_by_gate()) {
    trigger_waits_ = true;
    return;
  }
  const bool running = loaded_ && periodic() && !paused_ && now >= cycle_.origin;
  if (!running) {
    loaded_ = true;
    successor_waits_ = false;
    paused_ = !gate_;
    paused_elapsed_ = 0;
    cycle_ = {now + 1, count};
    return;
  }
  // Modes 2 and 3 finish the cycle, or the half of it, that they are in.
  const PitPulses into = (now - cycle_.origin) % cycle_.count;
  const PitPulses begin = now - into;
  const PitPulses high = high_half(cycle_.count);
  successor_waits_ = true;
  if (mode_ == 3 && into < high) {
    switch_at_ = begin + high;
    successor_ = {switch_at_ - high_half(count), count};  // Starts with its low half.
  } else {
    switch_at_ = begin + cycle_.count;
    successor_ = {switch_at_, count};
  }
}

void PitChannel::set_gate(bool gate, PitPulses now) {
  if (gate == gate_) return;
  settle(now);
  gate_ = gate;
  if (triggered_by_gate()) {
    const bool has_count = loaded_ || trigger_waits_;
    if (!gate || !has_count) return;
    loaded_ = true;
    trigger_waits_ = false;
    cycle_ = {now + 1, written_count_};
    return;
  }
  if (!loaded_) return;
  if (!gate) {
    paused_elapsed_ = elapsed(cycle_, now);
    paused_ = true;
    if (successor_waits_) {  // The next trigger loads the newest count.
      successor_waits_ = false;
      cycle_.count = written_count_;
    }
    return;
  }
  // Modes 0 and 4 go on; a rising gate starts modes 2 and 3 afresh with the next pulse.
  paused_ = false;
  cycle_.origin = periodic() ? now + 1 : now - paused_elapsed_;
}

void PitChannel::latch_count(PitPulses now) {
  if (count_latch_bytes_ != 0) return;
  count_latch_ = visible_count(now);
  count_latch_bytes_ = access_ == kAccessBoth ? 2 : 1;
}

void PitChannel::latch_status(PitPulses now) {
  if (status_latched_) return;
  status_latched_ = true;
  status_latch_ = static_cast<std::uint8_t>((out(now) ? kStatusOut : 0) |
                                            (null_count(now) ? kStatusNullCount : 0) |
                                            (access_ << 4) | (mode_ << 1) | (bcd_ ? 1 : 0));
}

std::uint8_t PitChannel::read_count(PitPulses now) {
  if (status_latched_) {
    status_latched_ = false;
    return status_latch_;
  }
  const bool latched = count_latch_bytes_ != 0;
  const std::uint16_t count = latched ? count_latch_ : visible_count(now);
  if (latched) --count_latch_bytes_;
  bool high = access_ == kAccessHigh;
  if (access_ == kAccessBoth) {
    high = read_high_next_;
    read_high_next_ = !read_high_next_;
  }
  return static_cast<std::uint8_t>(high ? count >> 8 : count);
}

void PitChannel::visit_state(StateVisitor& v) {
  v.field("mode", mode_);
  v.field("access", access_);
  v.field("bcd", bcd_);
  v.field("gate", gate_);
  v.field("write_high_next", write_high_next_);
  v.field("read_high_next", read_high_next_);
  v.field("low_byte", low_byte_);
  v.field("loaded", loaded_);
  v.field("paused", paused_);
  v.field("paused_elapsed", paused_elapsed_);
  v.field("origin", cycle_.origin);
  v.field("count", cycle_.count);
  v.field("successor_waits", successor_waits_);
  v.field("switch_at", switch_at_);
  v.field("successor_origin", successor_.origin);
  v.field("successor_count", successor_.count);
  v.field("trigger_waits", trigger_waits_);
  v.field("written_count", written_count_);
  v.field("idle_count", idle_count_);
  v.field("count_latch", count_latch_);
  v.field("count_latch_bytes", count_latch_bytes_);
  v.field("status_latch", status_latch_);
  v.field("status_latched", status_latched_);
  v.check("mode", mode_ <= 5);
  v.check("access", access_ >= kAccessLow && access_ <= kAccessBoth);
  for (const std::uint32_t count : {cycle_.count, successor_.count, written_count_}) {
    v.check("count", count >= 1 && count <= kCountMax);
  }
  for (const PitPulses at : {cycle_.origin, successor_.origin, switch_at_, paused_elapsed_}) {
    v.check("pulses", at >= -PitPulses{kCountMax} && at <= kPulsesMax);
  }
}

}  // namespace ftvm::devices
