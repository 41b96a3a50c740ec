// Flags around the instructions of flag_hazard.h, on both engines: what a fault pushes must be what
// is right, whatever made the flags and whether the library knew it.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>

#include "emulator/unicorn/raw_state.h"
#include "tests/unit/emulator/unicorn_fixture.h"

namespace ftvm::unicorn {
namespace {

using test::small_memory;

constexpr std::uint64_t kIdt = 0x10000, kHandler = 0x20000, kCode = 0x100000, kStackTop = 0x80000;
constexpr std::uint64_t kNowhere = 0x2'0000'0000;  // RBX: not mapped.

class Flags : public ::testing::TestWithParam<EngineKind> {
 protected:
  Flags() {
    Result<std::unique_ptr<Cpu>> made = make_cpu({.engine = GetParam()}, memory_, bus_);
    FTVM_ASSERT(made.has_value());
    cpu_ = std::move(*made);
    for (std::size_t vector = 0; vector < 256; ++vector) {
      std::uint8_t* gate = memory_.data() + kIdt + vector * 16;
      store_le<std::uint64_t>(
          gate, (kHandler & 0xffff) | 0x10ull << 16 | 0x8e00ull << 32 | (kHandler >> 16) << 48);
      store_le<std::uint64_t>(gate + 8, 0);
    }
    boot::enter_long_mode({.rip = kCode, .rsp = kStackTop}, memory_, *cpu_);
    registers_ = cpu_->registers();
    registers_.idt = SegmentRegister{0, kIdt, 0xfff, 0};
    registers_.gpr = {0x8183, 0x7f91, 0x55, kNowhere, kStackTop, 0x70000, 0x71000, 0x72000};
    store_le<std::uint16_t>(memory_.data() + kHandler, 0xfeeb);  // JMP to itself.
  }

  /// Flags that a page fault pushes at the last of `code`, or nothing when it does not get there.
  /// The flags before come from an ADD in a block before it, so that they are there but not
  /// computed.
  std::optional<std::uint64_t> pushed(const Bytes& made, const Bytes& last, bool stepped = false) {
    const Bytes before{0x00, 0xc8, 0xeb, 0x00};  // ADD AL, CL; JMP to the next.
    Bytes code = before;
    code.insert(code.end(), made.begin(), made.end());
    const std::uint64_t last_at = at_ + code.size();
    code.insert(code.end(), last.begin(), last.end());
    code.push_back(0xf4);  // HLT
    std::copy(code.begin(), code.end(), memory_.data() + at_);
    cpu_->memory_written(GuestPhys{at_}, code.size());
    registers_.rip = at_;
    cpu_->set_registers(registers_);
    const std::uint64_t limit = cpu_->tick().value + 16;
    while (cpu_->tick().value < limit) {
      const Tick next{stepped ? cpu_->tick().value + 1 : limit};
      if (cpu_->run(next, false) != CpuStop::kLimit) break;
    }
    const CpuRegisters r = cpu_->registers();
    const bool handled = !cpu_->halted() && r.rip == kHandler && r.gpr[kRsp] < kStackTop;
    next_place();
    const std::uint8_t* frame = memory_.data() + r.gpr[kRsp];
    if (!handled || load_le<std::uint64_t>(frame + 8) != last_at) return std::nullopt;
    const auto flags = load_le<std::uint64_t>(frame + 24);
    return flags & (Rflags::kArithmetic | Rflags::kDf);
  }

 private:
  void next_place() {
    constexpr std::uint64_t kPlaceBytes = 64, kPlacesEnd = kCode + 20'000 * kPlaceBytes;
    at_ += kPlaceBytes;
    if (at_ < kPlacesEnd && !cpu_->halted()) return;
    if (at_ >= kPlacesEnd) at_ = kCode;
    cpu_->reset();
  }

  test::EmptyBus bus_;
  GuestMemory memory_ = small_memory();
  std::unique_ptr<Cpu> cpu_;
  CpuRegisters registers_;
  std::uint64_t at_ = kCode;
};

/// Calls `visit` with instructions of all kinds: every opcode of two maps with a register for its
/// operand, and as many immediate bytes as it takes.
template <class Visit>
void each_instruction(Visit visit) {
  for (unsigned opcode = 0; opcode < 512; ++opcode) {
    const bool moves_control_register = opcode >= 0x120 && opcode <= 0x123;
    const bool jumps = (opcode >= 0x70 && opcode <= 0x7f) || (opcode >= 0xe0 && opcode <= 0xeb) ||
                       (opcode >= 0x180 && opcode <= 0x18f);
    if (moves_control_register || jumps) continue;
    for (unsigned reg = 0; reg < 8; ++reg) {
      Bytes code;
      if (opcode >= 256) code.push_back(0x0f);
      code.push_back(static_cast<std::uint8_t>(opcode));
      code.push_back(static_cast<std::uint8_t>(0xc1 | reg << 3));
      code.resize(code.size() + 5, 5);
      Bytes room = code;
      room.resize(kInstructionBytesMax, 0x90);
      const unsigned length = instruction_length(room, CodeSize::k64);
      room.resize(length);
      const bool takes_modrm = length > code.size() - 6;
      if (reg > 0 && !takes_modrm) break;
      visit(room);
    }
  }
}

const Bytes kStore{0x88, 0x03};  // MOV [RBX], AL

std::string text(const Bytes& code) {
  std::string text;
  for (const std::uint8_t byte : code) text += std::to_string(byte) + " ";
  return text;
}

TEST_P(Flags, AreNotTouchedByASetOrARotationThatFaults) {
  unsigned compared = 0;
  each_instruction([&](const Bytes& made) {
    const auto right = pushed(made, kStore);
    if (!right) return;  // It faults itself, or goes elsewhere.
    for (unsigned condition = 0; condition < 16; condition += 2) {
      const Bytes set{0x0f, static_cast<std::uint8_t>(0x90 + condition), 0x03};
      ASSERT_EQ(pushed(made, set), right) << "SETcc " << condition << " behind " << text(made);
    }
    ASSERT_EQ(pushed(made, {0xd1, 0x13}), right) << "RCL behind " << text(made);
    ASSERT_EQ(pushed(made, {0xd2, 0x1b}), right) << "RCR behind " << text(made);
    ++compared;
  });
  EXPECT_GT(compared, 500u);
}

TEST_P(Flags, AreTheSameBehindABitTestHoweverItIsRun) {
  unsigned compared = 0;
  each_instruction([&](const Bytes& made) {
    for (const int opcode : {0xa3, 0xab, 0xb3, 0xbb}) {
      Bytes with_test = made;
      for (const int byte : {0x0f, opcode, 0xca})
        with_test.push_back(static_cast<std::uint8_t>(byte));
      const auto whole = pushed(with_test, kStore);
      if (!whole) return;
      ASSERT_EQ(pushed(with_test, kStore, true), whole) << "behind " << text(with_test);
      ++compared;
    }
  });
  EXPECT_GT(compared, 2000u);
}

TEST_P(Flags, AreNotTouchedByLoopsOnACondition) {
  for (const int opcode : {0xe0, 0xe1}) {
    for (const bool at_end : {false, true}) {
      Bytes made{0x28, 0xc8};  // SUB AL, CL
      const int count = at_end ? 1 : 2;
      for (const int byte : {0xb9, count, 0, 0, 0}) made.push_back(static_cast<std::uint8_t>(byte));
      const auto right = pushed(made, kStore);
      ASSERT_TRUE(right.has_value());
      made.push_back(static_cast<std::uint8_t>(opcode));
      made.push_back(0);
      EXPECT_EQ(pushed(made, kStore), right) << opcode << " count " << count;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, Flags,
                         ::testing::Values(EngineKind::kPortable, EngineKind::kAccelerated),
                         [](const auto& engine) {
                           return engine.param == EngineKind::kPortable ? "portable"
                                                                        : "accelerated";
                         });

}  // namespace
}  // namespace ftvm::unicorn
