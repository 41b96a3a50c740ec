// What it costs to stop at a tick that lies inside a block: the way there is stepped.
#include <gtest/gtest.h>

#include <algorithm>

#include "emulator/unicorn/accelerated_cpu.h"
#include "tests/unit/emulator/unicorn_fixture.h"

namespace ftvm::unicorn {
namespace {

constexpr std::uint64_t kCode = 0x100000;

// Code without branches, as of a hash function: with a block made behind each step, a stop near its
// end translated all of it hundreds of times, a tenth of a second for one stop.
TEST(StopInsideABlock, TranslatesEachInstructionOnce) {
  constexpr std::uint64_t kLength = 400;
  constexpr std::uint8_t kNop = 0x90;
  test::EmptyBus bus;
  GuestMemory memory = test::small_memory();
  AcceleratedCpu cpu(memory, bus);
  ASSERT_TRUE(cpu.create({.engine = EngineKind::kAccelerated}).has_value());
  test::enter(CodeSize::k64, kCode, memory, cpu);
  std::uint8_t* code = memory.data() + kCode;
  std::fill(code, code + kLength, kNop);
  store_le<std::uint16_t>(code + kLength, 0xfeeb);  // JMP to itself.
  const std::size_t before = cpu.translated_instructions();

  ASSERT_EQ(cpu.run(Tick{kLength - 1}, false), CpuStop::kLimit);
  EXPECT_EQ(cpu.tick(), Tick{kLength - 1});
  EXPECT_EQ(cpu.registers().rip, kCode + kLength - 1);
  // The block that turned out too long, and each instruction of the way as a block of its own.
  EXPECT_LE(cpu.translated_instructions() - before, 2 * kLength);

  ASSERT_EQ(cpu.run(Tick{2 * kLength}, false), CpuStop::kLimit);
  EXPECT_EQ(cpu.registers().rip, kCode + kLength);
}

}  // namespace
}  // namespace ftvm::unicorn
