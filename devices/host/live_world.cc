// Two rules keep this from spinning and from sleeping through anything: whoever has news first
// stores it and then sets wake_; and a waiter first clears wake_ and then looks for news.
#include "devices/host/live_world.h"

#include <algorithm>
#include <utility>

#include "emulator/base/assert.h"

namespace ftvm::devices::host {
namespace {

/// Taken from the endpoint ahead of what the guest has room for, to know whether input waits.
constexpr std::size_t kFetchBytesMax = 4096;

constexpr std::uint8_t button_bit(Control button) {
  return static_cast<std::uint8_t>(1u << static_cast<unsigned>(button));
}

void add(std::atomic<std::uint64_t>& counter, std::uint64_t amount) {
  counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

}  // namespace

LiveWorld::LiveWorld(Options options, ConsoleEndpoint& console)
    : LiveWorld(options, console, own_clock_) {}

LiveWorld::LiveWorld(Options options, ConsoleEndpoint& console, HostClock& clock)
    : options_(options), console_(console), clock_(clock), discipline_(options.discipline) {
  FTVM_ASSERT(options_.slice_ticks > 0);
  static_assert(std::atomic<std::uint8_t>::is_always_lock_free, "set in signal handlers");
  console_.set_wakeup([this] {
    input_hint_.store(true);
    wake_.notify();
  });
}

LiveWorld::~LiveWorld() {
  console_.set_wakeup(nullptr);
}

Tick LiveWorld::horizon(Tick now) {
  // Slices end at fixed ticks whatever came between: a restored run asks at the same places.
  std::uint64_t slice_ticks = options_.slice_ticks;
  if (options_.clock == Clock::kHost) slice_ticks = discipline_.slice_ticks(slice_ticks);
  return now.plus(slice_ticks - now.value % slice_ticks);
}

std::vector<Input> LiveWorld::take_inputs(Tick now, GuestTime time, InputRoom room) {
  std::vector<Input> inputs;
  if (options_.clock == Clock::kHost) {
    // First, so that what follows happens at the right guest time.
    if (const auto sync = discipline_.steer(clock_.now(), now, time)) {
      FTVM_ASSERT(sync->base >= time);
      inputs.push_back({.at = now, .endpoint = Endpoint::kClock, .body = *sync});
    }
    const ClockDiscipline::Counters& counters = discipline_.counters();
    clock_syncs_.store(counters.syncs, std::memory_order_relaxed);
    clock_steps_.store(counters.steps, std::memory_order_relaxed);
    clock_error_ns_.store(counters.error_ns, std::memory_order_relaxed);
  }
  if (buttons_.load(std::memory_order_relaxed) != 0) {
    const std::uint8_t buttons = buttons_.exchange(0);
    for (const Control button : {Control::kResetButton, Control::kPowerButton}) {
      if ((buttons & button_bit(button)) == 0) continue;
      inputs.push_back({.at = now, .endpoint = Endpoint::kPower, .body = button});
    }
  }
  if (fetch_input(room.console_bytes)) {
    const std::size_t size = std::min(fetched_.size(), room.console_bytes);
    const auto cut = fetched_.begin() + static_cast<std::ptrdiff_t>(size);
    ConsoleBytes typed{.offset = input_offset_, .bytes = Bytes(fetched_.begin(), cut)};
    fetched_.erase(fetched_.begin(), cut);
    input_offset_ += size;
    room_ -= size;
    add(in_bytes_, size);
    inputs.push_back({.at = now, .endpoint = Endpoint::kConsole, .body = std::move(typed)});
    if (options_.releases) console_.confirm_input(input_offset_);
  }
  return inputs;
}

/// True when there is a byte for the guest and room for it.
bool LiveWorld::fetch_input(std::size_t room) {
  room_ = room;
  if (fetched_.empty() && input_hint_.load()) {
    // Cleared before the look: input that arrives after the look sets it again.
    input_hint_.store(false);
    console_.take_input(fetched_, kFetchBytesMax);
    if (fetched_.size() == kFetchBytesMax) input_hint_.store(true);
  }
  return room > 0 && !fetched_.empty();
}

Tick LiveWorld::wait(Tick now, GuestTime time, Tick next_due) {
  FTVM_ASSERT(next_due >= now);
  add(waits_, 1);
  return options_.clock == Clock::kHost ? wait_host(now, time, next_due)
                                        : wait_virtual(now, next_due);
}

Tick LiveWorld::wait_virtual(Tick now, Tick next_due) {
  const bool woken = wake_.drain();
  if (fetch_input(room_) || pressed_or_stopped()) return now;
  if (next_due != Tick::never()) return next_due;
  if (woken) return now;
  const HostTime from = clock_.now();
  clock_.wait_until(HostTime::never(), wake_);
  wake_.drain();  // The caller is about to look at all there is.
  add(idle_host_ns_, clock_.now().ns - from.ns);
  return now;
}

Tick LiveWorld::wait_host(Tick now, GuestTime time, Tick next_due) {
  const ClockDiscipline::Idle idle{.now = now, .time = time};
  const HostTime from = clock_.now();
  const HostTime deadline = discipline_.host_at(idle, next_due);
  const bool woken = wake_.drain();
  HostTime to = from;
  if (!woken && !fetch_input(room_) && !pressed_or_stopped() && from < deadline) {
    clock_.wait_until(deadline, wake_);
    wake_.drain();  // The caller is about to look at all there is.
    to = clock_.now();
    add(idle_host_ns_, to.ns - from.ns);
  }
  const Tick until = to >= deadline ? next_due : discipline_.tick_at(idle, to, next_due);
  discipline_.slept({.from = from, .to = to, .now = now, .until = until});
  FTVM_ASSERT(until >= now);
  FTVM_ASSERT(until <= next_due);
  return until;
}

void LiveWorld::grid_line(Tick now, std::uint64_t line, StateProbe& probe) {
  (void)now;
  (void)line;
  (void)probe;
}

void LiveWorld::emit(Output output) {
  if (output.endpoint == Endpoint::kConsole) {
    const std::uint64_t offset = output_offset_;
    output_offset_ += output.bytes.size();
    add(out_bytes_, output.bytes.size());
    if (options_.releases) console_.write(offset, output.bytes);
  } else if (output.endpoint == Endpoint::kDebug && debug_sink_) {
    debug_sink_(output.bytes);
  }
}

bool LiveWorld::should_end(Tick now, EndReason* reason) {
  (void)now;
  const std::uint8_t stop = stop_.load();
  if (stop == 0) return false;
  *reason = static_cast<EndReason>(stop);
  return true;
}

void LiveWorld::end(Tick now, EndReason reason, const Digest& state) {
  (void)now;
  (void)state;
  if (options_.releases) console_.end(reason);
}

void LiveWorld::set_console_offsets(std::uint64_t input, std::uint64_t output) {
  input_offset_ = input;
  output_offset_ = output;
  fetched_.clear();
  input_hint_.store(true);
}

void LiveWorld::anchor_clock(GuestTime time) {
  discipline_.anchor(clock_.now(), time);
}

void LiveWorld::observe_clock(GuestTime time) {
  discipline_.observe_peer(clock_.now(), time);
}

void LiveWorld::request_stop(EndReason reason) {
  std::uint8_t none = 0;
  stop_.compare_exchange_strong(none, static_cast<std::uint8_t>(reason));
  wake_.notify();
}

void LiveWorld::press(Control button) {
  buttons_.fetch_or(button_bit(button));
  wake_.notify();
}

LiveWorld::Counters LiveWorld::counters() const {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  return {.waits = waits_.load(kRelaxed),
          .idle_host_ns = idle_host_ns_.load(kRelaxed),
          .console_in_bytes = in_bytes_.load(kRelaxed),
          .console_out_bytes = out_bytes_.load(kRelaxed),
          .clock = {.syncs = clock_syncs_.load(kRelaxed),
                    .steps = clock_steps_.load(kRelaxed),
                    .error_ns = clock_error_ns_.load(kRelaxed)}};
}

}  // namespace ftvm::devices::host
