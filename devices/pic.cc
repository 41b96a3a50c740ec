#include "devices/pic.h"

#include "emulator/base/assert.h"

namespace ftvm::devices {
namespace {

constexpr unsigned kMaster = 0;
constexpr unsigned kSlave = 1;
constexpr unsigned kCascadeInput = 2;
constexpr unsigned kSpuriousInput = 7;

constexpr std::uint8_t kIcw1 = 0x10;
constexpr std::uint8_t kIcw1NeedIcw4 = 0x01;
constexpr std::uint8_t kIcw1Single = 0x02;
constexpr std::uint8_t kIcw4AutoEoi = 0x02;
constexpr std::uint8_t kIcw4SpecialFullyNested = 0x10;
constexpr std::uint8_t kOcw3 = 0x08;
constexpr std::uint8_t kOcw3ReadInService = 0x01;
constexpr std::uint8_t kOcw3ReadCommand = 0x02;
constexpr std::uint8_t kOcw3Poll = 0x04;
constexpr std::uint8_t kOcw3SpecialMask = 0x20;
constexpr std::uint8_t kOcw3SpecialMaskCommand = 0x40;
constexpr std::uint8_t kPollPending = 0x80;

/// OCW2 bits 7-5: R, SL, EOI.
enum class Eoi : std::uint8_t {
  kRotateOnAutoClear = 0,
  kNonSpecific = 1,
  kNone = 2,
  kSpecific = 3,
  kRotateOnAutoSet = 4,
  kRotateNonSpecific = 5,
  kSetPriority = 6,
  kRotateSpecific = 7,
};

/// IRQ 0, 1, 2, 8 and 13 are always edge triggered (PIIX4, ELCR1 and ELCR2).
constexpr std::array<std::uint8_t, 2> kLevelAllowed{0xf8, 0xde};

constexpr std::uint8_t bit(unsigned input) {
  return static_cast<std::uint8_t>(1u << input);
}
constexpr std::uint8_t without(std::uint8_t from, std::uint8_t bits) {
  return static_cast<std::uint8_t>(from & ~bits);
}

}  // namespace

std::uint8_t Pic::Chip::requests() const {
  return static_cast<std::uint8_t>(edges | (lines & level_triggered));
}

std::optional<unsigned> Pic::Chip::highest(std::uint8_t bits) const {
  for (unsigned i = 1; i <= 8; ++i) {
    const unsigned input = (lowest + i) & 7;
    if (bits & bit(input)) return input;
  }
  return std::nullopt;
}

/// The input to serve next, if any. `nested` are inputs whose own in-service bit does not stop
/// them.
std::optional<unsigned> Pic::Chip::next(std::uint8_t requests, std::uint8_t nested) const {
  if (expect != Expect::kMask) return std::nullopt;  // Half-way through initialisation.
  const std::optional<unsigned> wanted = highest(without(requests, mask));
  if (!wanted) return std::nullopt;
  // In special mask mode a level in service that is masked holds nobody off.
  std::uint8_t blocking = special_mask ? without(in_service, mask) : in_service;
  blocking = without(blocking, nested);
  const std::optional<unsigned> served = highest(blocking);
  if (!served) return wanted;
  const auto rank = [this](unsigned input) { return (input + 7 - lowest) & 7; };
  return rank(*wanted) < rank(*served) ? wanted : std::nullopt;
}

void Pic::Chip::accept(unsigned input) {
  edges = without(edges, bit(input));
  if (!auto_eoi) {
    in_service |= bit(input);
  } else if (rotate_on_auto_eoi) {
    lowest = static_cast<std::uint8_t>(input);
  }
}

void Pic::Chip::command(std::uint8_t value) {
  if (value & kIcw1) {
    icw1(value);
  } else if (value & kOcw3) {
    ocw3(value);
  } else {
    ocw2(value);
  }
}

void Pic::Chip::icw1(std::uint8_t value) {
  edges = 0;  // A line must rise again; a level that is high asks again.
  in_service = 0;
  mask = 0;
  lowest = 7;
  special_mask = false;
  read_in_service = false;
  poll = false;
  auto_eoi = false;
  rotate_on_auto_eoi = false;
  special_fully_nested = false;
  icw3_follows = (value & kIcw1Single) == 0;
  icw4_follows = (value & kIcw1NeedIcw4) != 0;
  expect = Expect::kIcw2;
}

void Pic::Chip::ocw2(std::uint8_t value) {
  const auto named = static_cast<std::uint8_t>(value & 7);
  // In special mask mode a masked level is not cleared by a non-specific EOI.
  const auto served = highest(special_mask ? without(in_service, mask) : in_service);
  switch (static_cast<Eoi>(value >> 5)) {
    case Eoi::kRotateOnAutoClear:
      rotate_on_auto_eoi = false;
      break;
    case Eoi::kRotateOnAutoSet:
      rotate_on_auto_eoi = true;
      break;
    case Eoi::kNone:
      break;
    case Eoi::kNonSpecific:
      if (served) in_service = without(in_service, bit(*served));
      break;
    case Eoi::kRotateNonSpecific:
      if (served) in_service = without(in_service, bit(*served));
      if (served) lowest = static_cast<std::uint8_t>(*served);
      break;
    case Eoi::kSpecific:
      in_service = without(in_service, bit(named));
      break;
    case Eoi::kSetPriority:
      lowest = named;
      break;
    case Eoi::kRotateSpecific:
      in_service = without(in_service, bit(named));
      lowest = named;
      break;
  }
}

void Pic::Chip::ocw3(std::uint8_t value) {
  if (value & kOcw3Poll) poll = true;
  if (value & kOcw3ReadCommand) read_in_service = (value & kOcw3ReadInService) != 0;
  if (value & kOcw3SpecialMaskCommand) special_mask = (value & kOcw3SpecialMask) != 0;
}

void Pic::Chip::data(std::uint8_t value) {
  switch (expect) {
    case Expect::kMask:
      mask = value;
      return;
    case Expect::kIcw2:
      vector_base = without(value, 7);
      expect = icw3_follows ? Expect::kIcw3 : icw4_follows ? Expect::kIcw4 : Expect::kMask;
      return;
    case Expect::kIcw3:  // The wiring is the PC's, whatever the guest says.
      expect = icw4_follows ? Expect::kIcw4 : Expect::kMask;
      return;
    case Expect::kIcw4:
      auto_eoi = (value & kIcw4AutoEoi) != 0;
      special_fully_nested = (value & kIcw4SpecialFullyNested) != 0;
      expect = Expect::kMask;
      return;
  }
}

void Pic::Chip::visit_state(StateVisitor& v) {
  v.field("lines", lines);
  v.field("edges", edges);
  v.field("in_service", in_service);
  v.field("mask", mask);
  v.field("level_triggered", level_triggered);
  v.field("vector_base", vector_base);
  v.field("lowest", lowest);
  v.field("expect", expect);
  v.field("icw3_follows", icw3_follows);
  v.field("icw4_follows", icw4_follows);
  v.field("auto_eoi", auto_eoi);
  v.field("rotate_on_auto_eoi", rotate_on_auto_eoi);
  v.field("special_mask", special_mask);
  v.field("special_fully_nested", special_fully_nested);
  v.field("read_in_service", read_in_service);
  v.field("poll", poll);
  v.check("lowest", lowest < 8);
  v.check("expect", expect <= Expect::kIcw4);
}

/// The slave's INT output is the level of the master's IR2: it follows at once and is never
/// latched, so a slave request that goes away takes the master's with it.
std::uint8_t Pic::requests_of(unsigned chip) const {
  std::uint8_t requests = chips_[chip].requests();
  if (chip == kMaster && next_of(kSlave)) requests |= bit(kCascadeInput);
  return requests;
}

std::optional<unsigned> Pic::next_of(unsigned chip) const {
  const bool nested = chip == kMaster && chips_[chip].special_fully_nested;
  return chips_[chip].next(requests_of(chip), nested ? bit(kCascadeInput) : 0);
}

void Pic::set_irq(unsigned line, bool level) {
  FTVM_ASSERT(line < 16);
  FTVM_ASSERT(line != kCascadeInput);
  Chip& chip = chips_[line / 8];
  const std::uint8_t input = bit(line % 8);
  if (!level) {
    chip.lines = without(chip.lines, input);
    chip.edges = without(chip.edges, input);
    return;
  }
  const bool rises = (chip.lines & input) == 0;
  chip.lines |= input;
  if (rises && (chip.level_triggered & input) == 0) chip.edges |= input;
}

bool Pic::intr() const {
  return next_of(kMaster).has_value();
}

std::uint8_t Pic::acknowledge() {
  unsigned chip = kMaster;
  std::optional<unsigned> input = next_of(kMaster);
  if (input == kCascadeInput) {
    const std::optional<unsigned> behind = next_of(kSlave);
    chips_[kMaster].accept(kCascadeInput);
    chip = kSlave;
    input = behind;
  }
  if (input) chips_[chip].accept(*input);
  return static_cast<std::uint8_t>(chips_[chip].vector_base + input.value_or(kSpuriousInput));
}

std::uint8_t Pic::read_chip(unsigned chip, bool odd) {
  Chip& c = chips_[chip];
  if (c.poll) {  // The read is an INTA cycle of this chip alone.
    c.poll = false;
    const std::optional<unsigned> input = next_of(chip);
    if (!input) return 0;
    c.accept(*input);
    return static_cast<std::uint8_t>(kPollPending | *input);
  }
  if (odd) return c.mask;
  return c.read_in_service ? c.in_service : requests_of(chip);
}

std::uint32_t Pic::read(std::uint16_t offset, unsigned, const Now&) {
  if (offset >= kElcrOffset) return chips_[offset & 1].level_triggered;
  return read_chip(offset >= kSlaveOffset ? kSlave : kMaster, (offset & 1) != 0);
}

void Pic::write(std::uint16_t offset, unsigned, std::uint32_t value, const Now&) {
  const auto byte = static_cast<std::uint8_t>(value);
  if (offset >= kElcrOffset) {
    Chip& chip = chips_[offset & 1];
    chip.level_triggered = byte & kLevelAllowed[offset & 1];
    chip.edges = without(chip.edges, chip.level_triggered);
    return;
  }
  Chip& chip = chips_[offset >= kSlaveOffset ? kSlave : kMaster];
  if (offset & 1) {
    chip.data(byte);
  } else {
    chip.command(byte);
  }
}

void Pic::reset(const Now&) {
  chips_ = {};
}

void Pic::visit_state(StateVisitor& v) {
  v.enter("master");
  chips_[kMaster].visit_state(v);
  v.leave();
  v.enter("slave");
  chips_[kSlave].visit_state(v);
  v.leave();
}

}  // namespace ftvm::devices
