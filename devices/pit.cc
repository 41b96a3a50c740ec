#include "devices/pit.h"

#include "emulator/base/uint128.h"

namespace ftvm::devices {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr std::uint16_t kControlPort = 3;
constexpr unsigned kReadBack = 3;  // In the select bits of a control word.
constexpr std::uint8_t kReadBackNoCount = 0x20;
constexpr std::uint8_t kReadBackNoStatus = 0x10;
constexpr std::uint32_t kFirmwareTickCount = 65'536;
constexpr std::uint32_t kRefreshCount = 18;

}  // namespace

PitPulses Pit::pulses_at(GuestTime time) {
  return static_cast<PitPulses>(Uint128{time.ns} * kPitHz / kNsPerSecond);
}

GuestTime Pit::time_of(PitPulses pulses) {
  if (pulses <= 0) return {};
  const Uint128 ns =
      (Uint128{static_cast<std::uint64_t>(pulses)} * kNsPerSecond + kPitHz - 1) / kPitHz;
  return ns >= GuestTime::never().ns ? GuestTime::never()
                                     : GuestTime{static_cast<std::uint64_t>(ns)};
}

void Pit::set_gate2(bool gate, const Now& now) {
  channels_[2].set_gate(gate, pulses_at(now.time));
}

bool Pit::out2(GuestTime time) const {
  return channels_[2].out(pulses_at(time));
}

bool Pit::refresh_toggle(GuestTime time) const {
  return (channels_[1].cycles(pulses_at(time)) & 1) != 0;
}

std::uint32_t Pit::read(std::uint16_t offset, unsigned, const Now& now) {
  if (offset == kControlPort) return 0xff;
  return channels_[offset].read_count(pulses_at(now.time));
}

void Pit::write(std::uint16_t offset, unsigned, std::uint32_t value, const Now& now) {
  const auto byte = static_cast<std::uint8_t>(value);
  const PitPulses at = pulses_at(now.time);
  if (offset != kControlPort) {
    const bool complete = channels_[offset].write_count(byte, at);
    // The first byte of a count matters too: in mode 0 it stops the counter.
    if (offset == 0 && (complete || channels_[0].mode() == 0)) drive_irq0(now);
    return;
  }
  const unsigned selected = byte >> 6;
  if (selected == kReadBack) {
    read_back(byte, at);
  } else if ((byte & 0x30) == 0) {
    channels_[selected].latch_count(at);
  } else {
    channels_[selected].write_control(byte, at);
    if (selected == 0) drive_irq0(now);
  }
}

void Pit::read_back(std::uint8_t value, PitPulses at) {
  for (unsigned i = 0; i < channels_.size(); ++i) {
    if ((value & (2u << i)) == 0) continue;
    if ((value & kReadBackNoCount) == 0) channels_[i].latch_count(at);
    if ((value & kReadBackNoStatus) == 0) channels_[i].latch_status(at);
  }
}

/// After the guest changed channel 0: the level of IRQ 0, and when it rises next.
void Pit::drive_irq0(const Now& now) {
  const PitPulses at = pulses_at(now.time);
  const bool rests_high = channels_[0].mode() >= 2;
  irqs_.set_irq(0, rests_high || channels_[0].out(at));
  const auto rise = channels_[0].next_rise(at);
  if (rise) {
    timer_.arm(time_of(*rise), now);
  } else {
    timer_.cancel();
  }
}

void Pit::expire(Timer&, const Now& now) {
  irqs_.set_irq(0, false);
  irqs_.set_irq(0, true);
  timer_.cancel();
  // Later than now by construction: the pulse after the one that has passed.
  const auto rise = channels_[0].next_rise(pulses_at(now.time));
  if (rise) timer_.arm(time_of(*rise), now);
}

void Pit::reset(const Now& now) {
  const PitPulses at = pulses_at(now.time);
  channels_[0].start(3, kFirmwareTickCount, true, at);
  channels_[1].start(2, kRefreshCount, true, at);
  channels_[2].start(3, kFirmwareTickCount, false, at);
  timer_.cancel();
  drive_irq0(now);
}

void Pit::visit_state(StateVisitor& v) {
  for (PitChannel& channel : channels_) {
    v.enter("channel");
    channel.visit_state(v);
    v.leave();
  }
  v.enter("timer");
  timer_.visit_state(v);
  v.leave();
}

}  // namespace ftvm::devices
