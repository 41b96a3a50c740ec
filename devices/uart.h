// National Semiconductor NS16550A serial port with FIFOs; the first one is the console endpoint.
//
// Source: NS16550AF data sheet (TL/C/8652, 1990), "Registers" and "FIFO interrupt mode operation".
// What differs, and why:
//   - The transmitter is never busy for a guest that polls (LSR shows THRE and TEMT at once); the
//     THRE interrupt comes one character time after a write, however many bytes the FIFO was given.
//   - Bytes reach the receiver at the speed of the divisor, at most one in kReceiveNsMin, and only
//     while it has room: the line has flow control, so a paste never overruns the guest.
//   - Console bytes that the guest clears from the receive FIFO without reading them, or finds
//   there
//     when it turns the loopback on, are sent again kResendNs later. A kernel clears the FIFO when
//     it opens the port; what a user typed while the guest booted is not lost to that.
//   - INTR is not gated by OUT2, for the sake of small guests that never set it.
// Not modelled: parity, framing and break errors (the line has none), DMA signalling.
//
// A guest reset resets the registers only. The line outlives it: both stream offsets, the bytes the
// guest has not read (those in the FIFO go back to the backlog) and the output not yet emitted.
#pragma once

#include <array>
#include <cstdint>

#include "devices/chunked_output.h"
#include "emulator/device.h"

namespace ftvm::devices {

class Uart final : public Device, public EndpointDevice {
 public:
  struct Options {
    std::string_view name;  // Lifetime: a literal.
    unsigned irq;
    /// With an endpoint behind it; else output is dropped and there is no input.
    bool connected;
  };
  static constexpr std::size_t kFifoBytes = 16;
  static constexpr std::size_t kBacklogBytesMax = std::size_t{64} << 10;
  static constexpr std::uint64_t kReceiveNsMin = 20'000;
  static constexpr std::uint64_t kResendNs = 20'000'000;

  /// Lifetime: `irqs` and `machine` outlive the port.
  Uart(const Options& options, IrqSink& irqs, MachinePort& machine);

  /// Stream offset that the next ConsoleBytes must have.
  [[nodiscard]] std::uint64_t next_input_offset() const { return next_input_offset_; }
  /// Stream offset of the next byte that is emitted.
  [[nodiscard]] std::uint64_t next_output_offset() const { return output_.emitted_bytes(); }
  [[nodiscard]] ChunkedOutput& output() { return output_; }

  [[nodiscard]] Endpoint endpoint() const override { return Endpoint::kConsole; }
  Status deliver(const Input& input, const Now& now) override;
  [[nodiscard]] std::size_t room() const override;

  [[nodiscard]] std::string_view name() const override { return options_.name; }
  std::uint32_t read(std::uint16_t offset, unsigned size_bytes, const Now& now) override;
  void write(std::uint16_t offset, unsigned size_bytes, std::uint32_t value,
             const Now& now) override;
  std::span<Timer> timers() override { return timers_; }
  void expire(Timer& timer, const Now& now) override;
  void reset(const Now& now) override;
  void visit_state(StateVisitor& v) override;

 private:
  /// Order is the order in which timers due at one tick fire.
  enum TimerIndex : std::size_t { kOutput, kTransmitter, kReceiver, kTimeout, kTimerCount };

  /// Everything a reset sets back.
  struct Registers {
    std::uint8_t interrupt_enable = 0;
    std::uint8_t fifo_control = 0;  // FIFO enable and trigger level.
    std::uint8_t line_control = 0;
    std::uint8_t modem_control = 0;
    std::uint8_t line_errors = 0;  // LSR bits that a read clears.
    std::uint8_t modem_lines = 0;  // MSR bits 7-4 as last seen.
    std::uint8_t modem_deltas = 0;
    std::uint8_t scratch = 0;
    std::uint16_t divisor = 1;        // 115200 baud, as firmware leaves it.
    bool transmit_interrupt = false;  // THRE pending.
    bool timeout_interrupt = false;
  };
  struct Fifo {
    std::array<std::uint8_t, kFifoBytes> bytes{};
    std::uint8_t size = 0;
    std::uint16_t looped = 0;  // Bit i: byte i came over the loopback, not the line.
  };

  [[nodiscard]] bool fifo_enabled() const;
  [[nodiscard]] bool loopback() const;
  [[nodiscard]] bool divisor_latch() const;
  [[nodiscard]] std::size_t fifo_limit() const;
  [[nodiscard]] std::size_t trigger_level() const;
  [[nodiscard]] std::uint64_t character_ns() const;
  [[nodiscard]] std::uint8_t pending_interrupt() const;
  [[nodiscard]] std::size_t unread_bytes() const;

  std::uint8_t read_buffer(const Now& now);
  std::uint8_t read_identification();
  std::uint8_t read_line_status();
  std::uint8_t read_modem_status();
  void write_buffer(std::uint8_t value, const Now& now);
  void write_interrupt_enable(std::uint8_t value);
  void write_fifo_control(std::uint8_t value, const Now& now);
  void write_modem_control(std::uint8_t value, const Now& now);

  void receive(std::uint8_t byte, bool looped, const Now& now);
  void clear_receiver(const Now& now);
  void give_back_unread();
  void start_receiver(std::uint64_t delay_ns, const Now& now);
  void restart_timeout(const Now& now);
  void update_modem_lines();
  void update_irq();

  Options options_;
  IrqSink& irqs_;
  // State.
  std::array<Timer, kTimerCount> timers_;
  ChunkedOutput output_;
  Registers regs_;
  Fifo fifo_;
  std::uint64_t next_input_offset_ = 0;
  Bytes backlog_;  // Accepted from the World and not yet in the FIFO.
};

}  // namespace ftvm::devices
