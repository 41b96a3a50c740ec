// Instructions in words, and that of a CPU that is about to run it.
#include "emulator/disassemble.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "tests/unit/emulator/unicorn_fixture.h"

namespace ftvm {
namespace {

TEST(Disassemble, NamesAnInstructionAndItsOperands) {
  EXPECT_EQ(disassemble(Bytes{0x48, 0x89, 0xe5}, 0, 64), "mov rbp, rsp");
  EXPECT_EQ(disassemble(Bytes{0xeb, 0xfe}, 0x1000, 64), "jmp 0x1000");
  EXPECT_EQ(disassemble(Bytes{0xf4}, 0, 64), "hlt");
}

TEST(Disassemble, DependsOnTheSizeOfCode) {
  const Bytes code{0xb8, 1, 2, 3, 4};
  EXPECT_EQ(disassemble(code, 0, 32), "mov eax, 0x4030201");
  EXPECT_EQ(disassemble(code, 0, 16), "mov ax, 0x201");
}

TEST(Disassemble, SaysSoWhenThereIsNoInstruction) {
  EXPECT_EQ(disassemble(Bytes{0x0f, 0x04}, 0, 64), "(bad)");
  EXPECT_EQ(disassemble(Bytes{0x48}, 0, 64), "(bad)");
  EXPECT_EQ(disassemble(Bytes{}, 0, 64), "(bad)");
}

TEST(NextInstruction, IsTheOneAtRip) {
  test::EmptyBus bus;
  GuestMemory memory = test::small_memory();
  const Result<std::unique_ptr<Cpu>> cpu = make_cpu({}, memory, bus);
  ASSERT_TRUE(cpu.has_value());
  const Bytes code{0x90, 0x48, 0x89, 0xe5};  // NOP; MOV RBP, RSP
  std::copy(code.begin(), code.end(), memory.data() + 0x100000);
  test::enter(unicorn::CodeSize::k64, 0x100000, memory, **cpu);
  EXPECT_EQ(next_instruction(**cpu, memory), "rip 100000: 90  nop");
  EXPECT_EQ((*cpu)->run(Tick{1}, false), CpuStop::kLimit);
  EXPECT_EQ(next_instruction(**cpu, memory), "rip 100001: 48 89 e5  mov rbp, rsp");
  test::enter(unicorn::CodeSize::k64, 0x2'0000'0000, memory, **cpu);
  EXPECT_EQ(next_instruction(**cpu, memory), "rip 200000000: (not mapped)");
}

TEST(RegisterText, NamesAllOfThem) {
  CpuRegisters r;
  for (std::size_t i = 0; i < r.gpr.size(); ++i) r.gpr[i] = i;
  r.rip = 0x1234;
  r.segment[1].selector = 0x10;
  r.segment[4].base = 0xffff;
  const std::string text = register_text(r);
  EXPECT_THAT(text, ::testing::StartsWith("\n       rax 0000000000000000    rcx 0000000000000001"));
  EXPECT_THAT(text, ::testing::HasSubstr(" r15 000000000000000f"));
  EXPECT_THAT(text, ::testing::HasSubstr(" rip 0000000000001234 rflags 0000000000000002"));
  EXPECT_THAT(text, ::testing::HasSubstr(" cs 0000000000000010"));
  EXPECT_THAT(text, ::testing::HasSubstr(" fsbase 000000000000ffff"));
  EXPECT_THAT(text, ::testing::Not(::testing::HasSubstr("gsbase")));
}

}  // namespace
}  // namespace ftvm
