// The pair of Intel 8259A interrupt controllers of a PC: master at 20h-21h, slave at A0h-A1h on the
// master's IR2, and the two edge/level control registers at 4D0h-4D1h.
//
// Source: Intel 8259A data sheet (231468-003), "Programming the 8259A"; Intel 82371AB (PIIX4) data
// sheet, 7.1.7 "ELCR". Not modelled: MCS-80 mode, buffered mode, other wirings than the PC's;
// ICW1's LTIM bit is ignored as in the PIIX4, where ELCR has its place.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "emulator/device.h"

namespace ftvm::devices {

class Pic final : public Device, public IrqSink, public InterruptController {
 public:
  /// Where the three port ranges begin in the device's offsets.
  static constexpr std::uint16_t kMasterOffset = 0;
  static constexpr std::uint16_t kSlaveOffset = 2;
  static constexpr std::uint16_t kElcrOffset = 4;

  /// Range: line is 0 to 15 but not 2, which is the cascade. A request lasts as long as its line is
  /// high; an edge is taken by the acknowledgement, a level stays.
  void set_irq(unsigned line, bool level) override;

  [[nodiscard]] bool intr() const override;
  /// With nothing pending: vector 7 of the chip, and no in-service bit, as the data sheet says of a
  /// request that vanished.
  std::uint8_t acknowledge() override;

  [[nodiscard]] std::string_view name() const override { return "pic"; }
  std::uint32_t read(std::uint16_t offset, unsigned size_bytes, const Now& now) override;
  void write(std::uint16_t offset, unsigned size_bytes, std::uint32_t value,
             const Now& now) override;
  /// All lines low, everything masked until ICW1 (the data sheet leaves power-on undefined).
  void reset(const Now& now) override;
  void visit_state(StateVisitor& v) override;

 private:
  /// What the next write to the odd port means.
  enum class Expect : std::uint8_t { kMask, kIcw2, kIcw3, kIcw4 };

  struct Chip {
    std::uint8_t lines = 0;  // Levels of the inputs.
    std::uint8_t edges = 0;  // Edges latched and not yet acknowledged.
    std::uint8_t in_service = 0;
    std::uint8_t mask = 0xff;
    std::uint8_t level_triggered = 0;  // ELCR.
    std::uint8_t vector_base = 0;
    std::uint8_t lowest = 7;  // The input of lowest priority.
    Expect expect = Expect::kMask;
    bool icw3_follows = false;
    bool icw4_follows = false;
    bool auto_eoi = false;
    bool rotate_on_auto_eoi = false;
    bool special_mask = false;
    bool special_fully_nested = false;
    bool read_in_service = false;
    bool poll = false;

    [[nodiscard]] std::uint8_t requests() const;
    [[nodiscard]] std::optional<unsigned> highest(std::uint8_t bits) const;
    [[nodiscard]] std::optional<unsigned> next(std::uint8_t requests, std::uint8_t nested) const;
    void accept(unsigned input);
    void command(std::uint8_t value);
    void icw1(std::uint8_t value);
    void ocw2(std::uint8_t value);
    void ocw3(std::uint8_t value);
    void data(std::uint8_t value);
    void visit_state(StateVisitor& v);
  };

  [[nodiscard]] std::uint8_t requests_of(unsigned chip) const;
  [[nodiscard]] std::optional<unsigned> next_of(unsigned chip) const;
  std::uint8_t read_chip(unsigned chip, bool odd);

  std::array<Chip, 2> chips_;
};

}  // namespace ftvm::devices
