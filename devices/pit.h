// Intel 8254 interval timer at ports 40h-43h: channel 0 is IRQ 0, channel 1 the memory refresh,
// channel 2 the speaker (its gate and output are at port 61h, see port61.h).
//
// Source: Intel 8254 data sheet (231164-005). Counters are a function of guest time, at exactly
// 1'193'182 pulses a second. IRQ 0 is edge triggered, and only edges are modelled: in modes 2 to 5
// the line stays high between the edges (the real output is low for a pulse, or half a period).
// Ticks that a step of guest time jumps over are lost, not delivered in a burst: the next edge
// comes from the phase.
#pragma once

#include <array>
#include <cstdint>

#include "devices/pit_channel.h"
#include "emulator/device.h"

namespace ftvm::devices {

inline constexpr std::uint64_t kPitHz = 1'193'182;

class Pit final : public Device {
 public:
  /// Lifetime: `irqs` outlives the timer.
  explicit Pit(IrqSink& irqs) : irqs_(irqs) {}

  /// Pulses of the input clock up to `time`, and the first instant that has seen `pulses`.
  [[nodiscard]] static PitPulses pulses_at(GuestTime time);
  [[nodiscard]] static GuestTime time_of(PitPulses pulses);

  /// The speaker channel, as port 61h sees it.
  void set_gate2(bool gate, const Now& now);
  [[nodiscard]] bool out2(GuestTime time) const;
  /// Changes at every refresh cycle of channel 1.
  [[nodiscard]] bool refresh_toggle(GuestTime time) const;

  [[nodiscard]] std::string_view name() const override { return "pit"; }
  std::uint32_t read(std::uint16_t offset, unsigned size_bytes, const Now& now) override;
  void write(std::uint16_t offset, unsigned size_bytes, std::uint32_t value,
             const Now& now) override;
  std::span<Timer> timers() override { return {&timer_, 1}; }
  void expire(Timer& timer, const Now& now) override;
  /// The 8254 has no reset; the counters run as PC firmware leaves them (18.2 Hz on channel 0).
  void reset(const Now& now) override;
  void visit_state(StateVisitor& v) override;

 private:
  void read_back(std::uint8_t value, PitPulses at);
  void drive_irq0(const Now& now);

  IrqSink& irqs_;
  std::array<PitChannel, 3> channels_;
  Timer timer_;  // The next rise of channel 0.
};

}  // namespace ftvm::devices
