// A stream of port accesses, time and inputs against a whole board: whatever a guest or the world
// does, devices neither crash nor assert, and two boards that see the same end the same.
#include <cstdint>
#include <string>

#include "emulator/base/assert.h"
#include "tests/support/device_fixture.h"

namespace ftvm::test {
namespace {

/// Bytes of the input as choices; zeros at the end.
class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) : in_(ByteView(data, size)) {}
  [[nodiscard]] bool left() const { return in_.remaining() > 0; }
  std::uint8_t byte() { return in_.get<std::uint8_t>().value_or(0); }
  std::uint32_t word() {
    std::uint32_t value = byte();
    for (int shift = 8; shift < 32; shift += 8) value |= std::uint32_t{byte()} << shift;
    return value;
  }

 private:
  ByteReader in_;
};

constexpr std::uint16_t kPorts[] = {0x20,  0x21,  0xa0,  0xa1,  0x4d0, 0x4d1, 0x40,  0x41,  0x42,
                                    0x43,  0x61,  0x70,  0x71,  0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc,
                                    0x3fd, 0x3fe, 0x3ff, 0x2f8, 0x2f9, 0x2fa, 0x2fb, 0x2fc, 0x60,
                                    0x64,  0x92,  0xcf8, 0xcf9, 0x501, 0x604, 0xe9,  0x402, 0x80};

std::uint16_t port_of(Choices& choices) {
  return kPorts[choices.byte() % (sizeof kPorts / sizeof kPorts[0])];
}

void play(DeviceFixture& m, Choices choices) {
  // A step of time may fire a timer per microsecond; the input's length bounds the whole.
  while (choices.left()) {
    const std::uint8_t action = choices.byte();
    const unsigned size_bytes = 1u << ((action >> 4) % 3);
    switch (action & 15) {
      case 0:
      case 1:
      case 2:
        m.in(port_of(choices), size_bytes);
        break;
      case 3:
      case 4:
      case 5:
      case 6:
      case 7: {
        const std::uint16_t port = port_of(choices);
        m.out(port, size_bytes == 1 ? choices.byte() : choices.word(), size_bytes);
        break;
      }
      case 8:
        m.run_ticks(choices.byte());
        break;
      case 9:
        m.run_ns(std::uint64_t{choices.byte()} * 10'000);
        break;
      case 10:
        m.step_clock(std::uint64_t{choices.word()} << (choices.byte() % 24));
        break;
      case 11:
        static_cast<void>(m.type(std::string(choices.byte(), 'x')));
        break;
      case 12:
        static_cast<void>(m.type(choices.word(), "offset"));
        break;
      case 13:
        m.take_interrupt();
        break;
      case 14:
        m.reset();
        break;
      default: {
        const Bytes saved = m.save();
        FTVM_ASSERT(m.load(saved).has_value());
        FTVM_ASSERT(m.save() == saved);
        break;
      }
    }
  }
}

}  // namespace
}  // namespace ftvm::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kInputBytesMax = 4096;
  if (size > kInputBytesMax) return 0;
  ftvm::test::DeviceFixture one, two;
  ftvm::test::play(one, {data, size});
  ftvm::test::play(two, {data, size});
  FTVM_ASSERT(one.save() == two.save());
  FTVM_ASSERT(one.text() == two.text());
  return 0;
}
