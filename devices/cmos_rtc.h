// MC146818 real-time clock and CMOS RAM at ports 70h-71h: time of day, alarm, periodic and
// update-ended interrupts on IRQ 8, and the CMOS bytes in which PC firmware leaves the RAM size.
//
// Source: Motorola MC146818A data sheet (1984); PC/AT century byte 32h and memory size bytes 15h to
// 18h, 30h, 31h, 34h, 35h. Time is guest time plus an offset that the guest may set, so a running
// clock has no state that changes. What differs: registers are never undefined during an update
// (it ends where UIP falls); daylight saving and the square wave are not modelled; each change of a
// time register without SET is normalised at once. Battery-backed: time and CMOS RAM survive a
// reset of the guest.
#pragma once

#include <array>
#include <cstdint>

#include "emulator/device.h"

namespace ftvm::devices {

class CmosRtc final : public Device {
 public:
  struct Options {
    /// Time of day at GuestTime 0. Units: seconds since 1970-01-01 UTC. Range: years 0 to 9999,
    /// else the nearest of them.
    std::int64_t boot_unix_s;
    std::uint64_t ram_bytes;
  };

  /// Lifetime: `irqs` outlives the clock.
  CmosRtc(const Options& options, IrqSink& irqs);

  [[nodiscard]] std::string_view name() const override { return "cmos_rtc"; }
  /// As if made with this Options::boot_unix_s. Range: before the guest has run.
  void set_boot_time(std::int64_t boot_unix_s);
  /// The index port is write-only and reads as FFh.
  std::uint32_t read(std::uint16_t offset, unsigned size_bytes, const Now& now) override;
  void write(std::uint16_t offset, unsigned size_bytes, std::uint32_t value,
             const Now& now) override;
  std::span<Timer> timers() override { return {&timer_, 1}; }
  void expire(Timer& timer, const Now& now) override;
  void reset(const Now& now) override;
  void visit_state(StateVisitor& v) override;

 private:
  [[nodiscard]] std::uint8_t encode(unsigned value) const;
  [[nodiscard]] unsigned decode(std::uint8_t raw) const;
  [[nodiscard]] std::uint8_t encode_hour(unsigned hour) const;
  [[nodiscard]] unsigned decode_hour(std::uint8_t raw) const;

  [[nodiscard]] bool divider_runs() const;
  [[nodiscard]] bool updates_run() const;
  [[nodiscard]] std::int64_t second_index(GuestTime time) const;
  [[nodiscard]] GuestTime next_second(GuestTime time) const;
  [[nodiscard]] std::uint64_t period_index(GuestTime time) const;
  [[nodiscard]] GuestTime next_period(GuestTime time) const;
  [[nodiscard]] bool alarm_matches(std::int64_t unix_s) const;

  void latch_time(GuestTime time);
  void take_time(GuestTime time);
  void write_register(std::uint8_t value, const Now& now);
  void write_control(std::uint8_t index, std::uint8_t value, GuestTime time);
  std::uint8_t read_register(const Now& now);
  void collect_events(GuestTime time);
  void update_irq();
  void arm(const Now& now);

  IrqSink& irqs_;
  // State.
  std::uint8_t index_ = 0;  // Low 7 bits of port 70h; bit 7 (NMI mask) belongs to the board.
  /// All registers. Those of the time are in force only while updates do not run.
  std::array<std::uint8_t, 128> ram_{};
  std::int64_t base_unix_s_ = 0;    // Time of day at second 0 of the clock.
  std::uint32_t phase_ns_ = 0;      // The clock's seconds begin at this point of guest seconds.
  std::uint8_t weekday_shift_ = 0;  // Days by which the guest's weekday is ahead of the calendar's.
  std::int64_t seen_second_ = 0;    // Events up to here are in register C.
  std::uint64_t seen_period_ = 0;
  Timer timer_;
};

}  // namespace ftvm::devices
