#include "devices/uart.h"

#include <algorithm>
#include <bit>
#include <string>

namespace ftvm::devices {
namespace {

enum Register : std::uint16_t {
  kBuffer = 0,           // RBR and THR; DLL when the divisor latch is open.
  kInterruptEnable = 1,  // IER; DLM likewise.
  kIdentification = 2,   // IIR for reading, FCR for writing.
  kLineControl = 3,
  kModemControl = 4,
  kLineStatus = 5,
  kModemStatus = 6,
  kScratch = 7,
};

constexpr std::uint8_t kIerReceived = 0x01;
constexpr std::uint8_t kIerTransmitter = 0x02;
constexpr std::uint8_t kIerLineStatus = 0x04;
constexpr std::uint8_t kIerModemStatus = 0x08;
constexpr std::uint8_t kIerWritable = 0x0f;

constexpr std::uint8_t kIirNone = 0x01;
constexpr std::uint8_t kIirModemStatus = 0x00;
constexpr std::uint8_t kIirTransmitter = 0x02;
constexpr std::uint8_t kIirReceived = 0x04;
constexpr std::uint8_t kIirLineStatus = 0x06;
constexpr std::uint8_t kIirTimeout = 0x0c;
constexpr std::uint8_t kIirFifoEnabled = 0xc0;

constexpr std::uint8_t kFcrEnable = 0x01;
constexpr std::uint8_t kFcrClearReceiver = 0x02;
constexpr std::uint8_t kFcrKept = 0xc9;  // Enable, DMA mode, trigger level.

constexpr std::uint8_t kLcrWordLength = 0x03;
constexpr std::uint8_t kLcrTwoStopBits = 0x04;
constexpr std::uint8_t kLcrParity = 0x08;
constexpr std::uint8_t kLcrDivisorLatch = 0x80;

constexpr std::uint8_t kMcrLoopback = 0x10;
constexpr std::uint8_t kMcrWritable = 0x1f;

constexpr std::uint8_t kLsrDataReady = 0x01;
constexpr std::uint8_t kLsrOverrun = 0x02;
constexpr std::uint8_t kLsrTransmitterEmpty = 0x60;  // THRE and TEMT.

constexpr std::uint8_t kMsrTrailingRing = 0x04;
constexpr std::uint8_t kMsrRing = 0x40;
constexpr std::uint8_t kMsrConnected = 0xb0;  // DCD, DSR, CTS.

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr std::uint64_t kBaudMax = 115'200;  // 1.8432 MHz / 16.
constexpr std::uint64_t kTimeoutCharacters = 4;

/// MSR bits 7-4 that a modem control value makes in loopback: DTR to DSR, RTS to CTS, OUT1 to RI,
/// OUT2 to DCD.
constexpr std::uint8_t looped_lines(std::uint8_t modem_control) {
  return static_cast<std::uint8_t>(((modem_control & 0x01) << 5) | ((modem_control & 0x02) << 3) |
                                   ((modem_control & 0x0c) << 4));
}
static_assert(looped_lines(0x0a) == 0x90);

}  // namespace

Uart::Uart(const Options& options, IrqSink& irqs, MachinePort& machine)
    : options_(options), irqs_(irqs), output_(Endpoint::kConsole, machine, timers_[kOutput]) {}

bool Uart::fifo_enabled() const {
  return (regs_.fifo_control & kFcrEnable) != 0;
}
bool Uart::loopback() const {
  return (regs_.modem_control & kMcrLoopback) != 0;
}
bool Uart::divisor_latch() const {
  return (regs_.line_control & kLcrDivisorLatch) != 0;
}
std::size_t Uart::fifo_limit() const {
  return fifo_enabled() ? kFifoBytes : 1;
}

std::size_t Uart::trigger_level() const {
  constexpr std::array<std::size_t, 4> kLevels{1, 4, 8, 14};
  return fifo_enabled() ? kLevels[regs_.fifo_control >> 6] : 1;
}

/// Start bit, data, parity, stop bits. A divisor of 0 counts as 1.
std::uint64_t Uart::character_ns() const {
  const std::uint64_t bits = 1u + 5u + (regs_.line_control & kLcrWordLength) +
                             ((regs_.line_control & kLcrParity) ? 1u : 0u) +
                             ((regs_.line_control & kLcrTwoStopBits) ? 2u : 1u);
  return bits * std::max<std::uint64_t>(regs_.divisor, 1) * kNsPerSecond / kBaudMax;
}

/// IIR without the FIFO bits, highest priority first. The one place that decides about INTR.
std::uint8_t Uart::pending_interrupt() const {
  const std::uint8_t enabled = regs_.interrupt_enable;
  if ((enabled & kIerLineStatus) && regs_.line_errors != 0) return kIirLineStatus;
  if (enabled & kIerReceived) {
    if (fifo_.size >= trigger_level()) return kIirReceived;
    if (regs_.timeout_interrupt) return kIirTimeout;
  }
  if ((enabled & kIerTransmitter) && regs_.transmit_interrupt) return kIirTransmitter;
  if ((enabled & kIerModemStatus) && regs_.modem_deltas != 0) return kIirModemStatus;
  return kIirNone;
}

void Uart::update_irq() {
  irqs_.set_irq(options_.irq, pending_interrupt() != kIirNone);
}

void Uart::update_modem_lines() {
  const std::uint8_t connected = options_.connected ? kMsrConnected : 0;
  const std::uint8_t lines = loopback() ? looped_lines(regs_.modem_control) : connected;
  auto changed = static_cast<std::uint8_t>((lines ^ regs_.modem_lines) >> 4);
  // The ring indicator reports its trailing edge only.
  if (lines & kMsrRing) changed &= static_cast<std::uint8_t>(~kMsrTrailingRing);
  regs_.modem_deltas |= changed;
  regs_.modem_lines = lines;
}

/// Lets the next byte of the backlog arrive after `delay_ns`, unless one is on its way.
void Uart::start_receiver(std::uint64_t delay_ns, const Now& now) {
  Timer& timer = timers_[kReceiver];
  if (timer.armed() || backlog_.empty() || loopback() || fifo_.size >= fifo_limit()) return;
  timer.arm(now.time.plus_ns(delay_ns), now);
}

/// The character timeout: four character times without an arrival or a read.
void Uart::restart_timeout(const Now& now) {
  if (fifo_enabled() && fifo_.size > 0) {
    timers_[kTimeout].arm(now.time.plus_ns(kTimeoutCharacters * character_ns()), now);
  } else {
    timers_[kTimeout].cancel();
  }
}

void Uart::receive(std::uint8_t byte, bool looped, const Now& now) {
  if (fifo_.size >= fifo_limit()) {
    regs_.line_errors |= kLsrOverrun;
    // Without a FIFO the new byte replaces the old one; with one it is lost in the shift register.
    if (!fifo_enabled()) fifo_.bytes[0] = byte;
    return;
  }
  fifo_.bytes[fifo_.size] = byte;
  if (looped) fifo_.looped = static_cast<std::uint16_t>(fifo_.looped | (1u << fifo_.size));
  ++fifo_.size;
  restart_timeout(now);
}

/// Console bytes of the FIFO become the head of the backlog again. room() has kept their places.
void Uart::give_back_unread() {
  Bytes unread;
  for (std::size_t i = 0; i < fifo_.size; ++i) {
    if ((fifo_.looped & (1u << i)) == 0) unread.push_back(fifo_.bytes[i]);
  }
  backlog_.insert(backlog_.begin(), unread.begin(), unread.end());
  fifo_ = {};
}

void Uart::clear_receiver(const Now& now) {
  give_back_unread();
  regs_.timeout_interrupt = false;
  timers_[kTimeout].cancel();
  timers_[kReceiver].cancel();
  start_receiver(kResendNs, now);
}

std::uint8_t Uart::read_buffer(const Now& now) {
  if (fifo_.size == 0) return 0;
  const std::uint8_t byte = fifo_.bytes[0];
  std::copy(fifo_.bytes.begin() + 1, fifo_.bytes.end(), fifo_.bytes.begin());
  fifo_.bytes.back() = 0;
  fifo_.looped = static_cast<std::uint16_t>(fifo_.looped >> 1);
  --fifo_.size;
  regs_.timeout_interrupt = false;
  restart_timeout(now);
  start_receiver(std::max(character_ns(), kReceiveNsMin), now);
  return byte;
}

/// Reading the identification acknowledges the THRE interrupt if that is the one shown.
std::uint8_t Uart::read_identification() {
  const std::uint8_t pending = pending_interrupt();
  if (pending == kIirTransmitter) regs_.transmit_interrupt = false;
  return static_cast<std::uint8_t>(pending | (fifo_enabled() ? kIirFifoEnabled : 0));
}

std::uint8_t Uart::read_line_status() {
  const std::uint8_t ready = fifo_.size > 0 ? kLsrDataReady : 0;
  const auto status = static_cast<std::uint8_t>(regs_.line_errors | kLsrTransmitterEmpty | ready);
  regs_.line_errors = 0;
  return status;
}

std::uint8_t Uart::read_modem_status() {
  const auto status = static_cast<std::uint8_t>(regs_.modem_lines | regs_.modem_deltas);
  regs_.modem_deltas = 0;
  return status;
}

std::uint32_t Uart::read(std::uint16_t offset, unsigned, const Now& now) {
  std::uint8_t value = 0;
  switch (offset) {
    case kBuffer:
      value = divisor_latch() ? static_cast<std::uint8_t>(regs_.divisor) : read_buffer(now);
      break;
    case kInterruptEnable:
      value =
          divisor_latch() ? static_cast<std::uint8_t>(regs_.divisor >> 8) : regs_.interrupt_enable;
      break;
    case kIdentification:
      value = read_identification();
      break;
    case kLineControl:
      return regs_.line_control;
    case kModemControl:
      return regs_.modem_control;
    case kLineStatus:
      value = read_line_status();
      break;
    case kModemStatus:
      value = read_modem_status();
      break;
    default:
      return regs_.scratch;
  }
  update_irq();
  return value;
}

void Uart::write_buffer(std::uint8_t value, const Now& now) {
  regs_.transmit_interrupt = false;
  Timer& transmitter = timers_[kTransmitter];
  if (!transmitter.armed()) transmitter.arm(now.time.plus_ns(character_ns()), now);
  if (loopback()) {
    receive(value, true, now);
  } else if (options_.connected) {
    output_.push(value, now);
  }
}

void Uart::write_interrupt_enable(std::uint8_t value) {
  const bool enables_transmitter =
      (value & kIerTransmitter) != 0 && (regs_.interrupt_enable & kIerTransmitter) == 0;
  regs_.interrupt_enable = value & kIerWritable;
  if (!enables_transmitter) return;
  // The holding register is empty, as LSR says: the interrupt is due now.
  regs_.transmit_interrupt = true;
  timers_[kTransmitter].cancel();
}

void Uart::write_fifo_control(std::uint8_t value, const Now& now) {
  const bool enable = (value & kFcrEnable) != 0;
  const bool switches = enable != fifo_enabled();
  // The other bits only count together with the enable bit. Switching clears the FIFOs.
  regs_.fifo_control = enable ? value & kFcrKept : 0;
  if (switches || (enable && (value & kFcrClearReceiver))) clear_receiver(now);
}

void Uart::write_modem_control(std::uint8_t value, const Now& now) {
  const bool was_looped = loopback();
  regs_.modem_control = value & kMcrWritable;
  update_modem_lines();
  if (loopback() == was_looped) return;
  // What is in the FIFO came over the line; a self-test finds the receiver empty.
  if (loopback()) {
    clear_receiver(now);
  } else {
    start_receiver(kResendNs, now);
  }
}

void Uart::write(std::uint16_t offset, unsigned, std::uint32_t value, const Now& now) {
  const auto byte = static_cast<std::uint8_t>(value);
  switch (offset) {
    case kBuffer:
      if (divisor_latch()) {
        regs_.divisor = static_cast<std::uint16_t>((regs_.divisor & 0xff00) | byte);
      } else {
        write_buffer(byte, now);
      }
      break;
    case kInterruptEnable:
      if (divisor_latch()) {
        regs_.divisor = static_cast<std::uint16_t>((regs_.divisor & 0x00ff) | (byte << 8));
      } else {
        write_interrupt_enable(byte);
      }
      break;
    case kIdentification:
      write_fifo_control(byte, now);
      break;
    case kLineControl:
      regs_.line_control = byte;
      break;
    case kModemControl:
      write_modem_control(byte, now);
      break;
    case kScratch:
      regs_.scratch = byte;
      break;
    default:  // LSR and MSR are not to be written.
      break;
  }
  update_irq();
}

void Uart::expire(Timer& timer, const Now& now) {
  const auto index = static_cast<std::size_t>(&timer - timers_.data());
  timer.cancel();
  if (index == kOutput) {
    output_.drain();
  } else if (index == kTransmitter) {
    regs_.transmit_interrupt = true;
  } else if (index == kTimeout) {
    regs_.timeout_interrupt = true;
  } else if (index == kReceiver && !backlog_.empty()) {
    receive(backlog_.front(), false, now);
    backlog_.erase(backlog_.begin());
    start_receiver(std::max(character_ns(), kReceiveNsMin), now);
  }
  update_irq();
}

/// Console bytes that the guest has not read: in the backlog and in the FIFO.
std::size_t Uart::unread_bytes() const {
  const auto looped = static_cast<std::size_t>(std::popcount(fifo_.looped));
  return backlog_.size() + fifo_.size - looped;
}

std::size_t Uart::room() const {
  return options_.connected ? kBacklogBytesMax - unread_bytes() : 0;
}

Status Uart::deliver(const Input& input, const Now& now) {
  const auto* typed = std::get_if<ConsoleBytes>(&input.body);
  if (typed == nullptr) return Error(ErrorCode::kBadData, "console: input of another kind");
  if (typed->offset != next_input_offset_) {
    return Error(ErrorCode::kBadData, "console: input at offset " + std::to_string(typed->offset) +
                                          ", expected " + std::to_string(next_input_offset_));
  }
  if (typed->bytes.size() > room()) {
    return Error(ErrorCode::kBadData, "console: " + std::to_string(typed->bytes.size()) +
                                          " bytes of input, room for " + std::to_string(room()));
  }
  next_input_offset_ += typed->bytes.size();
  backlog_.insert(backlog_.end(), typed->bytes.begin(), typed->bytes.end());
  start_receiver(std::max(character_ns(), kReceiveNsMin), now);
  return {};
}

void Uart::reset(const Now& now) {
  give_back_unread();
  regs_ = {};
  update_modem_lines();
  regs_.modem_deltas = 0;
  for (const TimerIndex index : {kTransmitter, kReceiver, kTimeout}) timers_[index].cancel();
  start_receiver(kResendNs, now);
  update_irq();
}

void Uart::visit_state(StateVisitor& v) {
  for (Timer& timer : timers_) {
    v.enter("timer");
    timer.visit_state(v);
    v.leave();
  }
  output_.visit_state(v);
  v.field("interrupt_enable", regs_.interrupt_enable);
  v.field("fifo_control", regs_.fifo_control);
  v.field("line_control", regs_.line_control);
  v.field("modem_control", regs_.modem_control);
  v.field("line_errors", regs_.line_errors);
  v.field("modem_lines", regs_.modem_lines);
  v.field("modem_deltas", regs_.modem_deltas);
  v.field("scratch", regs_.scratch);
  v.field("divisor", regs_.divisor);
  v.field("transmit_interrupt", regs_.transmit_interrupt);
  v.field("timeout_interrupt", regs_.timeout_interrupt);
  v.field("fifo", fifo_.bytes);
  v.field("fifo_size", fifo_.size);
  v.field("fifo_looped", fifo_.looped);
  v.check("fifo_size", fifo_.size <= kFifoBytes);
  v.check("fifo_looped", (fifo_.looped >> fifo_.size) == 0);
  v.field("next_input_offset", next_input_offset_);
  v.blob("backlog", backlog_, kBacklogBytesMax);
  v.check("backlog", unread_bytes() <= kBacklogBytesMax);
}

}  // namespace ftvm::devices
