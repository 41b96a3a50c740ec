// Debug console at E9h and 402h: every byte written goes to the debug endpoint. Reads give E9h, by
// which a guest finds out that somebody listens.
//
// Source: Bochs user manual, "port E9 hack"; QEMU documentation, "isa-debugcon"; SeaBIOS uses 402h.
#pragma once

#include <cstdint>

#include "devices/chunked_output.h"
#include "emulator/device.h"

namespace ftvm::devices {

class DebugConsole final : public Device {
 public:
  /// Lifetime: `machine` outlives the console.
  explicit DebugConsole(MachinePort& machine) : output_(Endpoint::kDebug, machine, timer_) {}

  [[nodiscard]] ChunkedOutput& output() { return output_; }

  [[nodiscard]] std::string_view name() const override { return "debug_console"; }
  std::uint32_t read(std::uint16_t, unsigned, const Now&) override { return 0xe9; }
  void write(std::uint16_t, unsigned, std::uint32_t value, const Now& now) override {
    output_.push(static_cast<std::uint8_t>(value), now);
  }
  std::span<Timer> timers() override { return {&timer_, 1}; }
  void expire(Timer&, const Now&) override { output_.drain(); }
  /// What waits to be emitted outlives a reset of the guest.
  void reset(const Now&) override {}
  void visit_state(StateVisitor& v) override {
    v.enter("timer");
    timer_.visit_state(v);
    v.leave();
    output_.visit_state(v);
  }

 private:
  Timer timer_;
  ChunkedOutput output_;
};

}  // namespace ftvm::devices
