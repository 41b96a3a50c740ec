#include "emulator/disassemble.h"

#include <capstone/capstone.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "emulator/base/hex.h"
#include "emulator/unicorn/page_walk.h"

namespace ftvm {
namespace {

/// One instruction decoded, for as long as it is looked at.
class Decoded {
 public:
  Decoded(ByteView code, std::uint64_t address, unsigned bits) {
    const cs_mode mode = bits == 64 ? CS_MODE_64 : bits == 32 ? CS_MODE_32 : CS_MODE_16;
    if (cs_open(CS_ARCH_X86, mode, &handle_) != CS_ERR_OK) return;
    count_ = cs_disasm(handle_, code.data(), code.size(), address, 1, &instructions_);
  }
  ~Decoded() {
    if (count_ != 0) cs_free(instructions_, count_);
    if (handle_ != 0) cs_close(&handle_);
  }
  Decoded(const Decoded&) = delete;
  Decoded& operator=(const Decoded&) = delete;

  [[nodiscard]] std::size_t length() const { return count_ != 0 ? instructions_->size : 0; }
  [[nodiscard]] std::string text() const {
    if (count_ == 0) return "(bad)";
    const std::string operands = instructions_->op_str;
    return operands.empty() ? instructions_->mnemonic : instructions_->mnemonic + (" " + operands);
  }

 private:
  csh handle_ = 0;
  cs_insn* instructions_ = nullptr;
  std::size_t count_ = 0;
};

unsigned code_bits(const CpuRegisters& r) {
  constexpr std::uint32_t kLong = 1u << 21, kDefault32 = 1u << 22;
  const std::uint32_t attributes = r.segment[1].attributes;
  if ((attributes & kLong) != 0) return 64;
  return (attributes & kDefault32) != 0 ? 32 : 16;
}

}  // namespace

std::string disassemble(ByteView code, std::uint64_t address, unsigned bits) {
  return Decoded(code, address, bits).text();
}

std::string next_instruction(const Cpu& cpu, GuestMemory& memory) {
  const CpuRegisters r = cpu.registers();
  const unsigned bits = code_bits(r);
  Bytes code(15);
  const unicorn::PageWalker walker(memory, [](GuestPhys, std::size_t) {});
  const unicorn::PagingState paging{.cr0 = r.cr0, .cr3 = r.cr3, .efer = r.efer};
  const std::uint64_t base = bits == 64 ? 0 : r.segment[1].base;
  code.resize(walker.peek(paging, base + r.rip, code));
  char where[32];
  std::snprintf(where, sizeof where, "rip %llx: ", static_cast<unsigned long long>(r.rip));
  if (code.empty()) return std::string(where) + "(not mapped)";
  const Decoded decoded(code, r.rip, bits);
  code.resize(std::max<std::size_t>(decoded.length(), 1));
  std::string bytes;
  for (const std::uint8_t byte : code) bytes += hex(byte, 2) + " ";
  return where + bytes + " " + decoded.text();
}

std::string register_text(const CpuRegisters& r) {
  constexpr std::array kNames{"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                              "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  constexpr std::array kSegments{"es", "cs", "ss", "ds", "fs", "gs"};
  std::string text;
  std::size_t count = 0;
  const auto add = [&](const std::string& name, std::uint64_t value) {
    text += count++ % 4 == 0 ? "\n   " : "";
    text += " " + std::string(6 - std::min<std::size_t>(6, name.size()), ' ') + name + " " +
            hex(value, 16);
  };
  for (std::size_t i = 0; i < kNames.size(); ++i) add(kNames[i], r.gpr[i]);
  add("rip", r.rip);
  add("rflags", r.rflags);
  add("cr0", r.cr0);
  add("cr2", r.cr2);
  add("cr3", r.cr3);
  add("cr4", r.cr4);
  add("efer", r.efer);
  for (std::size_t i = 0; i < kSegments.size(); ++i) {
    add(kSegments[i], r.segment[i].selector);
    if (r.segment[i].base != 0) add(std::string(kSegments[i]) + "base", r.segment[i].base);
  }
  return text;
}

}  // namespace ftvm
