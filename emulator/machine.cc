#include "emulator/machine.h"

#include <algorithm>
#include <string>
#include <utility>

#include "emulator/base/assert.h"
#include "emulator/base/diag.h"
#include "emulator/base/planted_bug.h"

namespace ftvm {
namespace {

/// Values of Machine::power_request_, which is snapshot state.
constexpr std::uint8_t kResetRequested = 1, kEndRequested = 2;

/// From a halt without end to the end of the run; longer than any device holds output back.
constexpr std::uint64_t kDeadlockGraceNs = 1'000'000;

}  // namespace

Result<std::unique_ptr<Machine>> Machine::create(Options options) {
  FTVM_ASSERT(options.grid_ticks > 0);
  GuestMemory memory = FTVM_TRY(GuestMemory::create(options.ram_bytes));
  std::unique_ptr<Machine> machine(new Machine(options, std::move(memory)));
  machine->cpu_ = FTVM_TRY(make_cpu(options.cpu, machine->memory_, *machine));
  return machine;
}

Machine::Machine(Options options, GuestMemory memory)
    : options_(options), memory_(std::move(memory)) {}
Machine::~Machine() = default;

void Machine::attach(DeviceList devices) {
  devices_ = std::move(devices);
}

Status Machine::power_on(Boot boot) {
  boot_ = std::move(boot);
  for (Device* device : devices_.devices) device->reset(now());
  return boot_(memory_, *cpu_);
}

Now Machine::now() const {
  const Tick tick = cpu_->tick();
  return Now{tick, clock_.at(tick), tick};
}

Now Machine::access_now(Tick tick) const {
  return Now{tick, clock_.at(tick), tick.plus(kAccessHoldTicks)};
}

// --- the run loop

Result<RunResult> Machine::run(World& world) {
  world_ = &world;
  ended_ = false;
  EndReason reason = EndReason::kStopped;
  while (true) {
    FTVM_TRY(arrive(world));
    if (ended_) {
      reason = end_reason_;
      break;
    }
    if (world.should_end(cpu_->tick(), &reason)) break;
    FTVM_TRY(step(world));
  }
  if (!bus_.unclaimed().empty()) {
    FTVM_DIAG(kInfo, "bus.unclaimed").kv("ports", bus_.unclaimed_text());
  }
  const Digest state = digest_all();
  world.end(cpu_->tick(), reason, state);
  world_ = nullptr;
  return RunResult{reason, exit_code_, cpu_->tick(), state};
}

Status Machine::arrive(World& world) {
  assert_context().tick = cpu_->tick().value;
  cross_grid(world);
  FTVM_TRY(fire_timers());
  if (ended_) return {};
  InputRoom room;
  for (const EndpointDevice* device : devices_.endpoints) {
    if (device->endpoint() == Endpoint::kConsole) room.console_bytes = device->room();
  }
  for (const Input& input : world.take_inputs(cpu_->tick(), now().time, room)) {
    FTVM_TRY(deliver(input));
    FTVM_TRY(fire_timers());
    if (ended_) break;
  }
  return {};
}

void Machine::cross_grid(World& world) {
  const std::uint64_t line = cpu_->tick().value / options_.grid_ticks;
  if (line == grid_done_) return;
  grid_done_ = line;
  cpu_->flush();
  world.grid_line(cpu_->tick(), line, *this);
}

Status Machine::fire_timers() {
  // A timer may make another one due at once (a reset re-arms all of them), so the walk starts anew
  // after each; the bound says that a device which re-arms itself for now is our bug.
  constexpr int kRoundsMax = 10'000;
  const Tick tick = cpu_->tick();
  for (int round = 0; round < kRoundsMax; ++round) {
    Device* owner = nullptr;
    Timer* due = nullptr;
    for (Device* device : devices_.devices) {
      for (Timer& timer : device->timers()) {
        if (due == nullptr && timer.armed() && due_tick(timer) <= tick) {
          owner = device;
          due = &timer;
        }
      }
    }
    if (due != nullptr) {
      owner->expire(*due, now());
      continue;
    }
    // Last, so that what a device had to say at this tick is said before an end.
    if (!power_timer_.armed() || due_tick(power_timer_) > tick) return {};
    power_timer_.cancel();
    const std::uint8_t request = std::exchange(power_request_, std::uint8_t{0});
    if (request == kEndRequested) ended_ = true;
    if (request == kResetRequested) FTVM_TRY(reset_machine());
    if (ended_) return {};
  }
  FTVM_ASSERT(!"a device timer re-arms itself for the present");
  return {};
}

Status Machine::deliver(const Input& input) {
  if (input.at != cpu_->tick()) {
    return Error(ErrorCode::kDiverged, "input for tick " + std::to_string(input.at.value) +
                                           " at tick " + std::to_string(cpu_->tick().value));
  }
  if (const auto* sync = std::get_if<ClockSync>(&input.body)) return clock_.apply(input.at, *sync);
  if (const auto* control = std::get_if<Control>(&input.body)) {
    if (*control == Control::kResetButton) request_reset(now());
    if (*control == Control::kPowerButton) request_end(EndReason::kPowerOff, 0, now());
    return {};
  }
  for (EndpointDevice* device : devices_.endpoints) {
    if (device->endpoint() == input.endpoint) return device->deliver(input, now());
  }
  return Error(ErrorCode::kBadData, "input for an endpoint this board does not have");
}

Status Machine::step(World& world) {
  if (intr_visible() && cpu_->accepts_interrupts()) {
    // Delivery takes a tick, which must be granted.
    const Tick tick = cpu_->tick();
    if (world.horizon(tick) <= tick) {
      world.wait(tick, now().time, Tick::never());
      return {};
    }
    if (planted(PlantedBug::kInterruptLate) && !cpu_->halted() && tick.value % 2 == 0) {
      (void)cpu_->run(tick.plus(1), false);
      return {};
    }
    if (cpu_->interrupt(devices_.interrupts->acknowledge())) return {};
    return reset_machine();
  }
  if (cpu_->halted()) return idle(world);
  const Tick tick = cpu_->tick();
  const Tick horizon = world.horizon(tick);
  if (horizon <= tick) {
    world.wait(tick, now().time, Tick::never());
    return {};
  }
  return run_cpu(horizon);
}

Status Machine::run_cpu(Tick horizon) {
  const Tick tick = cpu_->tick();
  const bool pending = devices_.interrupts->intr();
  Tick limit = std::min({horizon, next_grid_line(), next_due()});
  if (pending && intr_hold_ > tick) limit = std::min(limit, intr_hold_);
  FTVM_ASSERT(limit > tick);
  const bool watch = pending && intr_hold_ <= tick;
  switch (cpu_->run(limit, watch)) {
    case CpuStop::kLimit:
    case CpuStop::kHalted:
    case CpuStop::kInterruptWindow:
      return {};
    case CpuStop::kShutdown:
      return reset_machine();
  }
  return {};
}

Status Machine::idle(World& world) {
  const Tick tick = cpu_->tick();
  // Without interrupts nothing but a requested reset or end ever wakes it. What it said last is
  // still on its way, in devices that gather output.
  if (!cpu_->accepts_interrupts() && !power_timer_.armed()) {
    const GuestTime end = now().time.plus_ns(kDeadlockGraceNs);
    request_end(EndReason::kDeadlock, 0, Now{.tick = tick, .time = end, .earliest = tick});
  }
  const bool held = devices_.interrupts->intr() && intr_hold_ > tick;
  const Tick due = held ? std::min(next_due(), intr_hold_) : next_due();
  const Tick until = world.wait(tick, now().time, due);
  FTVM_ASSERT(until >= tick);
  FTVM_ASSERT(until <= due);
  // Never over a grid line: digests are taken there, however the World cuts idle time.
  cpu_->idle_until(std::min(until, next_grid_line()));
  return {};
}

Status Machine::reset_machine() {
  if (!options_.reboot_on_reset) {
    end_reason_ = EndReason::kReset;
    ended_ = true;
    return {};
  }
  FTVM_DIAG(kInfo, "machine.reset").kv("tick", cpu_->tick().value);
  memory_.clear();
  cpu_->reset();
  intr_hold_ = Tick{};
  for (Device* device : devices_.devices) device->reset(now());
  return boot_(memory_, *cpu_);
}

// --- time

Tick Machine::due_tick(const Timer& timer) const {
  return std::max(clock_.first_tick_at(timer.due()), timer.not_before());
}

Tick Machine::next_due() const {
  Tick due = power_timer_.armed() ? due_tick(power_timer_) : Tick::never();
  for (Device* device : devices_.devices) {
    for (const Timer& timer : device->timers()) {
      if (timer.armed()) due = std::min(due, due_tick(timer));
    }
  }
  return due;
}

Tick Machine::next_grid_line() const {
  return Tick{(cpu_->tick().value / options_.grid_ticks + 1) * options_.grid_ticks};
}

bool Machine::intr_visible() const {
  return devices_.interrupts->intr() && intr_hold_ <= cpu_->tick();
}

// --- what the CPU asks

std::uint32_t Machine::port_read(std::uint16_t port, unsigned size_bytes, Tick tick) {
  const bool intr_before = devices_.interrupts->intr();
  const Now when = access_now(tick);
  in_access_ = true;
  access_tick_ = tick;
  const std::uint32_t value = bus_.read(port, size_bytes, when);
  after_access(intr_before, when);
  return value;
}

void Machine::port_write(std::uint16_t port, unsigned size_bytes, std::uint32_t value, Tick tick) {
  const bool intr_before = devices_.interrupts->intr();
  const Now when = access_now(tick);
  in_access_ = true;
  access_tick_ = tick;
  bus_.write(port, size_bytes, value, when);
  after_access(intr_before, when);
}

void Machine::after_access(bool intr_before, const Now& when) {
  in_access_ = false;
  Tick limit = next_due();
  if (!intr_before && devices_.interrupts->intr()) {
    intr_hold_ = when.earliest;
    limit = std::min(limit, intr_hold_);
  }
  // What was due before this access already bounds the run; what it armed is not before earliest.
  cpu_->lower_limit(std::max(limit, when.earliest));
}

std::uint64_t Machine::time_stamp_counter(Tick tick) {
  return clock_.at(tick).ns;
}

void Machine::emit(Endpoint endpoint, ByteView bytes) {
  FTVM_ASSERT(world_ != nullptr);
  const Tick at = in_access_ ? access_tick_.plus(1) : cpu_->tick();
  world_->emit(Output{at, endpoint, Bytes(bytes.begin(), bytes.end())});
}

void Machine::request_reset(const Now& when) {
  if (power_request_ != 0) return;
  power_request_ = kResetRequested;
  power_timer_.arm(when.time, when);
}

void Machine::request_end(EndReason reason, std::uint32_t exit_code, const Now& when) {
  if (power_request_ != 0) return;
  power_request_ = kEndRequested;
  end_reason_ = reason;
  exit_code_ = exit_code;
  power_timer_.arm(when.time, when);
}

// --- state

void Machine::visit_state(StateVisitor& v) {
  clock_.visit_state(v);
  v.enter("machine");
  v.field("intr_hold", intr_hold_);
  v.field("grid_done", grid_done_);
  v.field("power_request", power_request_);
  v.field("end_reason", end_reason_);
  v.field("exit_code", exit_code_);
  power_timer_.visit_state(v);
  v.leave();
  cpu_->visit_state(v);
  for (Device* device : devices_.devices) {
    v.enter(device->name());
    device->visit_state(v);
    v.leave();
  }
}

void Machine::visit_digest(StateVisitor& v) {
  clock_.visit_state(v);
  v.enter("machine");
  v.field("intr_hold", intr_hold_);
  v.field("power_request", power_request_);
  power_timer_.visit_state(v);
  v.leave();
  cpu_->visit_digest(v);
  for (Device* device : devices_.devices) {
    v.enter(device->name());
    device->visit_state(v);
    v.leave();
  }
}

Digest Machine::digest_slice(std::uint32_t slice) {
  Bytes state;
  StateSaver saver(state);
  visit_digest(saver);
  DigestStream stream;
  stream.update(state);
  const Digest ram = memory_.digest_slice(slice);
  Bytes words;
  ByteWriter writer(words);
  for (const std::uint64_t word : ram.words) writer.put(word);
  stream.update(words);
  return stream.finish();
}

Digest Machine::digest_all() {
  Bytes state;
  StateSaver saver(state);
  visit_digest(saver);
  DigestStream stream;
  stream.update(state);
  stream.update(memory_.bytes());
  return stream.finish();
}

void Machine::state_loaded() {
  cpu_->memory_written(GuestPhys{0}, memory_.size_bytes());
}

}  // namespace ftvm
