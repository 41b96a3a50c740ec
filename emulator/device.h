// What a device model is to the machine: ports, timers, inputs and state. A model is a function of
// (state, guest access, Input, Now); it never asks the host for anything and does not know whether
// it is being recorded or replayed.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "emulator/base/result.h"
#include "emulator/base/units.h"
#include "emulator/state.h"
#include "emulator/world.h"

namespace ftvm {

/// An access by the guest may make nothing due sooner than this, because the engine counts whole
/// blocks (at most 512 instructions) and cannot stop inside the one that is running. The rule makes
/// a run independent of how it was cut into blocks.
inline constexpr std::uint64_t kAccessHoldTicks = 600;

/// When something happens to a device.
struct Now {
  Tick tick;
  GuestTime time;
  /// No timer armed now fires before this tick: tick + kAccessHoldTicks inside a guest access,
  /// `tick` otherwise.
  Tick earliest;
};

/// One deadline of a device, in guest time. State of the device that owns it.
class Timer {
 public:
  void arm(GuestTime due, const Now& now) {
    due_ = due;
    not_before_ = now.earliest;
  }
  void cancel() { due_ = GuestTime::never(); }
  [[nodiscard]] bool armed() const { return due_ != GuestTime::never(); }
  [[nodiscard]] GuestTime due() const { return due_; }
  [[nodiscard]] Tick not_before() const { return not_before_; }
  void visit_state(StateVisitor& v) {
    v.field("due", due_);
    v.field("not_before", not_before_);
  }

 private:
  GuestTime due_ = GuestTime::never();
  Tick not_before_;
};

/// The interrupt controller as devices see it. Lines are level signals; edge detection is the
/// controller's business.
class IrqSink {
 public:
  virtual ~IrqSink() = default;
  virtual void set_irq(unsigned line, bool level) = 0;
};

/// The interrupt controller as the CPU sees it.
class InterruptController {
 public:
  virtual ~InterruptController() = default;
  /// Level of the INTR pin.
  [[nodiscard]] virtual bool intr() const = 0;
  /// INTA cycle: the vector to deliver (a spurious one when the request has gone).
  virtual std::uint8_t acknowledge() = 0;
};

/// The machine as devices see it.
class MachinePort {
 public:
  virtual ~MachinePort() = default;
  /// Effect for the outside, complete at the current tick (timer) or one after it (access).
  virtual void emit(Endpoint endpoint, ByteView bytes) = 0;
  /// Both take effect at now.earliest; the first request wins.
  virtual void request_reset(const Now& now) = 0;
  virtual void request_end(EndReason reason, std::uint32_t exit_code, const Now& now) = 0;
};

class Device {
 public:
  virtual ~Device() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;

  /// Widest access the registers take. Units: bytes (1, 2 or 4). The bus splits wider accesses, as
  /// the ISA bridge does.
  [[nodiscard]] virtual unsigned width_bytes() const { return 1; }
  /// Guest IN and OUT; `offset` is relative to the range's base. A guest can never fail us:
  /// unmodelled registers read as all ones and ignore writes.
  virtual std::uint32_t read(std::uint16_t offset, unsigned size_bytes, const Now& now) = 0;
  virtual void write(std::uint16_t offset, unsigned size_bytes, std::uint32_t value,
                     const Now& now) = 0;

  /// The device's timers, in a fixed order (several due at one tick fire in board order, then in
  /// this order). Called when one is due; the device re-arms or cancels it.
  virtual std::span<Timer> timers() { return {}; }
  virtual void expire(Timer& timer, const Now& now) {
    (void)timer;
    (void)now;
  }

  /// Power-on state. The machine calls it at reset and before the first tick.
  virtual void reset(const Now& now) = 0;
  virtual void visit_state(StateVisitor& v) = 0;
};

/// A device with a host attachment.
class EndpointDevice {
 public:
  virtual ~EndpointDevice() = default;
  [[nodiscard]] virtual Endpoint endpoint() const = 0;
  /// Errors: kBadData for an input that does not fit the state (wrong offset, more than room()).
  virtual Status deliver(const Input& input, const Now& now) = 0;
  /// Bytes that deliver() takes without error.
  [[nodiscard]] virtual std::size_t room() const = 0;
};

}  // namespace ftvm
