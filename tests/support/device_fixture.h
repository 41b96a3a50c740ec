// Plays the machine for a whole board: keeps guest time, fires timers at their exact ticks and in
// board order, collects what is emitted. No CPU, no RAM, no World; header only, for the fuzzer too.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "devices/board.h"
#include "emulator/base/assert.h"
#include "emulator/bus.h"
#include "emulator/clock.h"
#include "emulator/state.h"

namespace ftvm::test {

class DeviceFixture final : public MachinePort {
 public:
  struct Emitted {
    Tick at;
    Endpoint endpoint;
    Bytes bytes;
  };
  struct PowerRequest {
    bool reset;
    EndReason reason;
    std::uint32_t exit_code;
    Tick effective;
  };

  explicit DeviceFixture(const devices::BoardOptions& options = {}) : board_(options, *this) {
    FTVM_ASSERT(board_.claim_ports(bus_).has_value());
    devices_ = board_.devices();
    reset();
  }

  [[nodiscard]] Tick tick() const { return tick_; }
  [[nodiscard]] GuestTime time() const { return clock_.at(tick_); }
  [[nodiscard]] Now now() const { return {.tick = tick_, .time = time(), .earliest = tick_}; }
  [[nodiscard]] devices::Board& board() { return board_; }
  [[nodiscard]] devices::Uart& console() { return board_.console(); }
  [[nodiscard]] const std::vector<Emitted>& emitted() const { return emitted_; }
  /// All of them; a machine heeds the first.
  [[nodiscard]] const std::vector<PowerRequest>& power_requests() const { return power_requests_; }

  /// Guest IN: one instruction, one tick.
  std::uint32_t in(std::uint16_t port, unsigned size_bytes = 1) {
    in_access_ = true;
    const std::uint32_t value = bus_.read(port, size_bytes, access_now());
    in_access_ = false;
    run_ticks(1);
    return value;
  }
  void out(std::uint16_t port, std::uint32_t value, unsigned size_bytes = 1) {
    in_access_ = true;
    bus_.write(port, size_bytes, value, access_now());
    in_access_ = false;
    run_ticks(1);
  }

  void run_ticks(std::uint64_t ticks) { run_to(tick_.plus(ticks)); }
  void run_ns(std::uint64_t ns) { run_to(clock_.first_tick_at(time().plus_ns(ns))); }
  /// To the first tick at which guest time is `time`. Range: not in the past.
  void run_until(GuestTime time) { run_to(clock_.first_tick_at(time)); }

  /// Guest time jumps forward, as after a pause.
  void step_clock(std::uint64_t ns) {
    const ClockSync sync{.base = time().plus_ns(ns), .ps_per_tick = clock_.ps_per_tick()};
    FTVM_ASSERT(clock_.apply(tick_, sync).has_value());
    fire_due();
  }

  [[nodiscard]] bool intr() const { return devices_.interrupts->intr(); }
  /// The vector delivered, if the controller asks for one.
  std::optional<std::uint8_t> take_interrupt() {
    if (!intr()) return std::nullopt;
    return devices_.interrupts->acknowledge();
  }

  Status type(std::uint64_t offset, std::string_view text) {
    const Input input{tick_, Endpoint::kConsole,
                      ConsoleBytes{offset, Bytes(text.begin(), text.end())}};
    Status status = devices_.endpoints.front()->deliver(input, now());
    fire_due();
    return status;
  }
  /// At the next expected offset.
  Status type(std::string_view text) { return type(console().next_input_offset(), text); }
  [[nodiscard]] std::size_t room() const { return devices_.endpoints.front()->room(); }

  /// Everything emitted for an endpoint so far.
  [[nodiscard]] std::string text(Endpoint endpoint = Endpoint::kConsole) const {
    std::string all;
    for (const Emitted& chunk : emitted_) {
      if (chunk.endpoint == endpoint) all.append(chunk.bytes.begin(), chunk.bytes.end());
    }
    return all;
  }

  void reset() {
    for (Device* device : devices_.devices) device->reset(now());
  }

  [[nodiscard]] Bytes save() {
    Bytes bytes;
    StateSaver saver(bytes);
    visit(saver);
    return bytes;
  }
  Status load(ByteView bytes) {
    StateLoader loader(bytes);
    visit(loader);
    return loader.finish();
  }

  /// The two controllers as a PC kernel sets them up: vectors 30h and 38h, `mask` over all lines.
  void init_pics(std::uint16_t mask) {
    for (const auto& [base, vectors, wiring] : {std::tuple{0x20, 0x30, 0x04}, {0xa0, 0x38, 0x02}}) {
      const auto port = static_cast<std::uint16_t>(base);
      const auto odd = static_cast<std::uint16_t>(base + 1);
      out(port, 0x11);
      out(odd, static_cast<std::uint32_t>(vectors));
      out(odd, static_cast<std::uint32_t>(wiring));
      out(odd, 0x01);
    }
    out(0x21, mask & 0xffu);
    out(0xa1, static_cast<std::uint32_t>(mask >> 8));
  }

 private:
  void emit(Endpoint endpoint, ByteView bytes) override {
    FTVM_ASSERT(!in_access_);
    FTVM_ASSERT(!bytes.empty());
    emitted_.push_back({tick_, endpoint, Bytes(bytes.begin(), bytes.end())});
  }
  void request_reset(const Now& when) override {
    power_requests_.push_back({true, EndReason::kReset, 0, when.earliest});
  }
  void request_end(EndReason reason, std::uint32_t exit_code, const Now& when) override {
    power_requests_.push_back({false, reason, exit_code, when.earliest});
  }

  [[nodiscard]] Now access_now() const {
    return {.tick = tick_, .time = time(), .earliest = tick_.plus(kAccessHoldTicks)};
  }
  [[nodiscard]] Tick due_tick(const Timer& timer) const {
    return std::max(clock_.first_tick_at(timer.due()), timer.not_before());
  }
  [[nodiscard]] Tick next_due() const {
    Tick next = Tick::never();
    for (Device* device : devices_.devices) {
      for (const Timer& timer : device->timers()) {
        if (timer.armed()) next = std::min(next, due_tick(timer));
      }
    }
    return next;
  }
  void fire_due() {
    for (int round = 0; next_due() <= tick_; ++round) {
      FTVM_ASSERT(round < 100);  // A timer that re-arms itself for now would never end.
      for (Device* device : devices_.devices) {
        for (Timer& timer : device->timers()) {
          if (timer.armed() && due_tick(timer) <= tick_) device->expire(timer, now());
        }
      }
    }
  }
  void run_to(Tick to) {
    for (Tick next = next_due(); next <= to; next = next_due()) {
      tick_ = std::max(tick_, next);
      fire_due();
    }
    tick_ = to;
  }
  void visit(StateVisitor& v) {
    clock_.visit_state(v);
    v.field("tick", tick_);
    for (Device* device : devices_.devices) {
      v.enter(device->name());
      device->visit_state(v);
      v.leave();
    }
  }

  devices::Board board_;
  PortBus bus_;
  DeviceList devices_;
  GuestClock clock_;
  Tick tick_;
  bool in_access_ = false;
  std::vector<Emitted> emitted_;
  std::vector<PowerRequest> power_requests_;
};

}  // namespace ftvm::test
