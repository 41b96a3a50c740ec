// The machine: CPU, memory, bus, clock and devices behind one World. Its run loop is the only place
// where inputs are delivered and outputs stamped.
//
// At each stop, at tick T, in this order: grid line (flush, digests), timers due, inputs (and after
// each of them the timers it made due), then either one interrupt (one tick) or a run. The order is
// part of the journal format: a replica that stops at T has fired its timers but may still be given
// more inputs at T.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "emulator/base/result.h"
#include "emulator/bus.h"
#include "emulator/clock.h"
#include "emulator/cpu.h"
#include "emulator/device.h"
#include "emulator/memory.h"
#include "emulator/world.h"

namespace ftvm {

/// TLB flushes, digests and snapshots happen on this grid. See docs/adr.
inline constexpr std::uint64_t kGridTicks = std::uint64_t{1} << 24;

/// What a board plugs into a machine. Order is behaviour: timers due at one tick fire in it.
struct DeviceList {
  std::vector<Device*> devices;
  std::vector<EndpointDevice*> endpoints;
  InterruptController* interrupts = nullptr;
};

struct RunResult {
  EndReason reason;
  std::uint32_t exit_code;  // Of a debug exit, else 0.
  Tick at;
  Digest state;
};

class Machine final : public CpuBus, public MachinePort, public StateProbe {
 public:
  struct Options {
    std::uint64_t ram_bytes = 256ull << 20;
    CpuOptions cpu;
    /// Distance of grid lines. Part of what decides bytes: every replica has the same, which is
    /// kGridTicks everywhere but in tests of short guests. Range: > 0.
    std::uint64_t grid_ticks = kGridTicks;
    /// A guest reset boots again (true) or ends the run with EndReason::kReset.
    bool reboot_on_reset = true;
  };
  /// Puts a guest into RAM and registers; run at power-on and at every reset.
  using Boot = std::function<Status(GuestMemory&, Cpu&)>;

  static Result<std::unique_ptr<Machine>> create(Options options);
  ~Machine() override;

  /// Wiring, before power_on(). Lifetime: devices outlive the machine's run.
  [[nodiscard]] PortBus& bus() { return bus_; }
  void attach(DeviceList devices);
  Status power_on(Boot boot);

  /// Runs until the World or the guest ends the run. May be called again after kStopped.
  /// Errors: an input that does not fit (kBadData, kDiverged).
  Result<RunResult> run(World& world);

  [[nodiscard]] Cpu& cpu() { return *cpu_; }
  [[nodiscard]] const Cpu& cpu() const { return *cpu_; }
  [[nodiscard]] GuestMemory& memory() { return memory_; }
  [[nodiscard]] const GuestClock& clock() const { return clock_; }
  [[nodiscard]] Now now() const;

  /// Everything but RAM. Only on a grid line (or before the first tick).
  void visit_state(StateVisitor& v);
  /// Canonical, for digests and divergence reports.
  void visit_digest(StateVisitor& v);
  Digest digest_slice(std::uint32_t slice) override;
  Digest digest_all() override;
  /// After visit_state loaded another state and RAM was filled.
  void state_loaded();

 private:
  // CpuBus.
  std::uint32_t port_read(std::uint16_t port, unsigned size_bytes, Tick now) override;
  void port_write(std::uint16_t port, unsigned size_bytes, std::uint32_t value, Tick now) override;
  std::uint64_t time_stamp_counter(Tick now) override;
  // MachinePort.
  void emit(Endpoint endpoint, ByteView bytes) override;
  void request_reset(const Now& now) override;
  void request_end(EndReason reason, std::uint32_t exit_code, const Now& now) override;

  explicit Machine(Options options, GuestMemory memory);
  Now access_now(Tick tick) const;
  void after_access(bool intr_before, const Now& now);
  Status arrive(World& world);
  void cross_grid(World& world);
  Status fire_timers();
  Status deliver(const Input& input);
  Status step(World& world);
  Status run_cpu(Tick horizon);
  Status idle(World& world);
  Status reset_machine();
  [[nodiscard]] Tick due_tick(const Timer& timer) const;
  [[nodiscard]] Tick next_due() const;
  [[nodiscard]] Tick next_grid_line() const;
  [[nodiscard]] bool intr_visible() const;

  Options options_;
  GuestMemory memory_;
  PortBus bus_;
  GuestClock clock_;
  DeviceList devices_;
  Boot boot_;
  std::unique_ptr<Cpu> cpu_;
  World* world_ = nullptr;  // Of the run in progress.
  bool in_access_ = false;  // Inside a CpuBus call.
  // State.
  Tick access_tick_;                // Of the access in progress.
  Tick intr_hold_;                  // INTR raised by an access is seen from this tick on.
  std::uint64_t grid_done_ = 0;     // Last grid line flushed.
  Timer power_timer_;               // Fires the reset or end below.
  std::uint8_t power_request_ = 0;  // 0 is none.
  EndReason end_reason_ = EndReason::kPowerOff;
  std::uint32_t exit_code_ = 0;
  bool ended_ = false;
};

}  // namespace ftvm
