// The World of a machine that runs now and here: host clock (or none), console endpoint, operator.
// It also is the lower half of a protected primary, which takes inputs and waits through it but
// keeps the outputs until they may be released.
//
// Not here: network and disk, whose links are endpoints of their own.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "devices/host/console_endpoint.h"
#include "devices/host/host_clock.h"
#include "devices/host/outside.h"
#include "devices/host/wake_event.h"
#include "emulator/world.h"

namespace ftvm::devices::host {

/// Farthest the guest runs before the World is asked again. Units: ticks; one to five
/// milliseconds.
inline constexpr std::uint64_t kSliceTicks = 500'000;

class LiveWorld final : public Outside {
 public:
  enum class Clock : std::uint8_t {
    kVirtual,  // Idle time is skipped, nothing of the host's clock is seen.
    kHost,     // Guest time follows the host's by ClockSync inputs.
  };
  struct Options {
    Clock clock = Clock::kVirtual;
    std::uint64_t slice_ticks = kSliceTicks;
    /// Outputs go to the console at once and inputs count as confirmed when the guest has them.
    /// Off under a wrapper that calls ConsoleEndpoint::write, confirm_input and end itself.
    bool releases = true;
    ClockDiscipline::Options discipline = {};
  };
  struct Counters {
    std::uint64_t waits = 0;         // Calls of wait() that had to sleep, or skipped idle time.
    std::uint64_t idle_host_ns = 0;  // Host time slept in them.
    std::uint64_t console_in_bytes = 0;
    std::uint64_t console_out_bytes = 0;
    ClockDiscipline::Counters clock = {};
  };

  /// Lifetime: `console` and `clock` outlive the world, which owns the console's wakeup.
  LiveWorld(Options options, ConsoleEndpoint& console);
  LiveWorld(Options options, ConsoleEndpoint& console, HostClock& clock);
  ~LiveWorld() override;
  LiveWorld(const LiveWorld&) = delete;
  LiveWorld& operator=(const LiveWorld&) = delete;

  // World. Threading: vCPU thread.
  Tick horizon(Tick now) override;
  std::vector<Input> take_inputs(Tick now, GuestTime time, InputRoom room) override;
  Tick wait(Tick now, GuestTime time, Tick next_due) override;
  void grid_line(Tick now, std::uint64_t line, StateProbe& probe) override;
  void emit(Output output) override;
  bool should_end(Tick now, EndReason* reason) override;
  void end(Tick now, EndReason reason, const Digest& state) override;

  // Before the run, or between runs. Threading: vCPU thread.

  void set_console_offsets(std::uint64_t input, std::uint64_t output) override;
  [[nodiscard]] std::uint64_t console_input_offset() const { return input_offset_; }
  [[nodiscard]] std::uint64_t console_output_offset() const { return output_offset_; }
  /// Bytes written to the debug port; nothing without a sink.
  void set_debug_sink(std::function<void(ByteView)> sink) { debug_sink_ = std::move(sink); }
  /// The guest should show `time` now (a restored machine whose clock shall be right). Without
  /// this, guest time goes on from where it stood.
  void anchor_clock(GuestTime time);
  /// See ClockDiscipline::observe_peer.
  void observe_clock(GuestTime time) override;
  /// Forgets a stop, so that the machine may run on.
  void clear_stop() { stop_.store(0); }

  // Threading: any thread, also a signal handler.

  /// Ends the run at the next stop; the first reason wins.
  void request_stop(EndReason reason);
  [[nodiscard]] bool stop_requested() const override { return stop_.load() != 0; }
  /// Makes a wait() return early, so that a wrapper can look at what else has happened.
  void wake() const { wake_.notify(); }
  /// The operator's buttons; pressing one twice before the guest sees it is pressing it once.
  void press(Control button);

  /// For metrics. Threading: any thread.
  [[nodiscard]] Counters counters() const;

 private:
  bool fetch_input(std::size_t room);
  Tick wait_virtual(Tick now, Tick next_due);
  Tick wait_host(Tick now, GuestTime time, Tick next_due);
  [[nodiscard]] bool pressed_or_stopped() const { return buttons_.load() != 0 || stop_requested(); }

  const Options options_;
  ConsoleEndpoint& console_;
  HostClock own_clock_;
  HostClock& clock_;
  WakeEvent wake_;
  ClockDiscipline discipline_;
  std::function<void(ByteView)> debug_sink_;

  std::uint64_t input_offset_ = 0;   // Of the next byte the guest is given.
  std::uint64_t output_offset_ = 0;  // Of the next byte the guest prints.
  Bytes fetched_;                    // Taken from the endpoint, not yet given to the guest.
  std::size_t room_ = 0;             // What the guest could take when it last was asked.

  std::atomic<bool> input_hint_{true};    // The endpoint may have input.
  std::atomic<std::uint8_t> stop_{0};     // 0 or an EndReason.
  std::atomic<std::uint8_t> buttons_{0};  // A bit for each Control.

  // Copies for counters(); written by the vCPU thread only.
  std::atomic<std::uint64_t> waits_{0}, idle_host_ns_{0}, in_bytes_{0}, out_bytes_{0};
  std::atomic<std::uint64_t> clock_syncs_{0}, clock_steps_{0};
  std::atomic<std::int64_t> clock_error_ns_{0};
};

}  // namespace ftvm::devices::host
