#include "emulator/unicorn/decode.h"

#include <capstone/capstone.h>

#include <algorithm>
#include <array>

#include "emulator/base/assert.h"

namespace ftvm::unicorn {
namespace {

struct Prefixes {
  std::size_t length = 0;
  std::uint8_t repeat = 0;
  bool address_size = false;
};

Prefixes parse_prefixes(ByteView code, CodeSize size) {
  Prefixes p;
  for (; p.length < code.size(); ++p.length) {
    const std::uint8_t byte = code[p.length];
    if (byte == 0xf2 || byte == 0xf3) {
      p.repeat = byte;
    } else if (byte == 0x67) {
      p.address_size = true;
    } else if (byte != 0x66 && byte != 0x2e && byte != 0x36 && byte != 0x3e && byte != 0x26 &&
               byte != 0x64 && byte != 0x65 && byte != 0xf0 &&
               !(size == CodeSize::k64 && (byte & 0xf0) == 0x40)) {
      break;
    }
  }
  return p;
}

bool is_compare_string(std::uint8_t opcode) {
  return opcode == 0xa6 || opcode == 0xa7 || opcode == 0xae || opcode == 0xaf;
}
bool is_string(std::uint8_t opcode) {
  return (opcode >= 0xa4 && opcode <= 0xa7) || (opcode >= 0xaa && opcode <= 0xaf) ||
         (opcode >= 0x6c && opcode <= 0x6f);
}

}  // namespace

std::optional<RepString> parse_rep_string(ByteView code, CodeSize size) {
  const Prefixes p = parse_prefixes(code, size);
  if (p.repeat == 0 || p.length >= code.size()) return std::nullopt;
  const std::uint8_t opcode = code[p.length];
  if (!is_string(opcode)) return std::nullopt;
  // In 32-bit code the prefix selects 16-bit addressing; CX instead of ECX never occurs in the
  // modes supported here (docs: 16-bit code is refused), so one flag is enough.
  const bool address32 = size == CodeSize::k64 ? p.address_size : !p.address_size;
  return RepString{static_cast<unsigned>(p.length + 1), is_compare_string(opcode), p.repeat == 0xf3,
                   address32};
}

bool casts_interrupt_shadow(ByteView code, CodeSize size) {
  const Prefixes p = parse_prefixes(code, size);
  if (p.length >= code.size()) return false;
  const std::uint8_t opcode = code[p.length];
  if (opcode == 0xfb) return true;                           // STI
  if (opcode == 0x17) return size != CodeSize::k64;          // POP SS
  if (opcode != 0x8e || p.length + 1 >= code.size()) return false;
  return ((code[p.length + 1] >> 3) & 7) == 2;               // MOV SS, r/m
}

struct Decoder::Impl {
  std::array<csh, 3> handles{};
  std::array<cs_insn*, 3> instructions{};

  Impl() {
    constexpr std::array<cs_mode, 3> kModes{CS_MODE_16, CS_MODE_32, CS_MODE_64};
    for (std::size_t i = 0; i < handles.size(); ++i) {
      FTVM_ASSERT(cs_open(CS_ARCH_X86, kModes[i], &handles[i]) == CS_ERR_OK);
      FTVM_ASSERT(cs_option(handles[i], CS_OPT_DETAIL, CS_OPT_ON) == CS_ERR_OK);
      instructions[i] = cs_malloc(handles[i]);
      FTVM_ASSERT(instructions[i] != nullptr);
    }
  }
  ~Impl() {
    for (std::size_t i = 0; i < handles.size(); ++i) {
      cs_free(instructions[i], 1);
      cs_close(&handles[i]);
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  /// Calls visit(offset, instruction) for each; stops at the first that does not decode or when
  /// visit returns false. Returns the offset behind the last decoded one.
  template <class Visit>
  std::size_t each(ByteView code, std::uint64_t pc, CodeSize size, Visit visit) {
    const auto mode = static_cast<std::size_t>(size);
    const std::uint8_t* at = code.data();
    std::size_t left = code.size();
    std::uint64_t address = pc;
    std::size_t offset = 0;
    while (left > 0 && cs_disasm_iter(handles[mode], &at, &left, &address, instructions[mode])) {
      if (!visit(offset, *instructions[mode])) break;
      offset = code.size() - left;
    }
    return offset;
  }
};

Decoder::Decoder() : impl_(std::make_unique<Impl>()) {}
Decoder::~Decoder() = default;

unsigned Decoder::count(ByteView code, std::size_t upto_bytes, CodeSize size) {
  unsigned n = 0;
  const std::size_t end = impl_->each(code, 0, size, [&](std::size_t offset, const cs_insn&) {
    if (offset >= upto_bytes) return false;
    ++n;
    return true;
  });
  return end < upto_bytes ? n + 1 : n;
}

unsigned Decoder::last_length(ByteView code, CodeSize size) {
  unsigned length = 0;
  impl_->each(code, 0, size, [&](std::size_t, const cs_insn& instruction) {
    length = instruction.size;
    return true;
  });
  return length;
}

std::optional<unsigned> Decoder::length(ByteView code, CodeSize size) {
  std::optional<unsigned> length;
  impl_->each(code, 0, size, [&](std::size_t, const cs_insn& instruction) {
    length = instruction.size;
    return false;
  });
  return length;
}

bool Decoder::can_reach(ByteView code, std::uint64_t pc, std::uint64_t next, CodeSize size) {
  bool reaches = false;
  impl_->each(code, pc, size, [&](std::size_t, const cs_insn& in) {
    const bool repeated = (in.detail->x86.prefix[0] == X86_PREFIX_REP ||
                           in.detail->x86.prefix[0] == X86_PREFIX_REPNE);
    reaches = repeated && next == in.address;
    for (unsigned g = 0; g < in.detail->groups_count; ++g) {
      switch (in.detail->groups[g]) {
        case CS_GRP_JUMP:
        case CS_GRP_CALL:
        case CS_GRP_RET:
        case CS_GRP_IRET:
        case CS_GRP_INT: {
          const cs_x86& x86 = in.detail->x86;
          const bool direct = x86.op_count == 1 && x86.operands[0].type == X86_OP_IMM;
          reaches = !direct || static_cast<std::uint64_t>(x86.operands[0].imm) == next;
          break;
        }
        default:
          break;
      }
    }
    const unsigned id = in.id;
    if (id == X86_INS_SYSRET || id == X86_INS_SYSEXIT || id == X86_INS_SYSCALL ||
        id == X86_INS_SYSENTER || id == X86_INS_LOOP || id == X86_INS_LOOPE || id == X86_INS_LOOPNE) {
      reaches = true;
    }
    return true;
  });
  return reaches;
}

}  // namespace ftvm::unicorn
