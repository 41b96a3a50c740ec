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
  bool operand_size = false;
  bool rex_w = false;
};

Prefixes parse_prefixes(ByteView code, CodeSize size) {
  Prefixes p;
  for (; p.length < code.size(); ++p.length) {
    const std::uint8_t byte = code[p.length];
    if (byte == 0xf2 || byte == 0xf3) {
      p.repeat = byte;
    } else if (byte == 0x67) {
      p.address_size = true;
    } else if (byte == 0x66) {
      p.operand_size = true;
    } else if (byte != 0x2e && byte != 0x36 && byte != 0x3e && byte != 0x26 &&
               byte != 0x64 && byte != 0x65 && byte != 0xf0 &&
               !(size == CodeSize::k64 && (byte & 0xf0) == 0x40)) {
      break;
    }
  }
  p.rex_w = size == CodeSize::k64 && p.length > 0 && (code[p.length - 1] & 0xf8) == 0x48;
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
  constexpr std::uint64_t kCx = 0xffff, kEcx = 0xffff'ffff, kRcx = ~0ull;
  std::uint64_t mask = kRcx;
  if (size == CodeSize::k64) mask = p.address_size ? kEcx : kRcx;
  if (size == CodeSize::k32) mask = p.address_size ? kCx : kEcx;
  if (size == CodeSize::k16) mask = p.address_size ? kEcx : kCx;
  return RepString{static_cast<unsigned>(p.length + 1), is_compare_string(opcode), p.repeat == 0xf3,
                   mask};
}

std::optional<PortAccess> parse_port_access(ByteView code, CodeSize size) {
  const Prefixes p = parse_prefixes(code, size);
  if (p.length >= code.size()) return std::nullopt;
  const std::uint8_t opcode = code[p.length];
  const bool string = opcode >= 0x6c && opcode <= 0x6f;          // INS, OUTS
  const bool immediate = (opcode & 0xfc) == 0xe4;                // IN, OUT with imm8
  const bool in_dx = (opcode & 0xfc) == 0xec;                    // IN, OUT with DX
  if (!string && !immediate && !in_dx) return std::nullopt;
  PortAccess access{.size_bytes = 1, .port = std::nullopt, .repeated = string && p.repeat != 0};
  if ((opcode & 1) != 0) {
    const bool word = p.operand_size != (size == CodeSize::k16) && !p.rex_w;
    access.size_bytes = word ? 2 : 4;
  }
  if (immediate) {
    if (p.length + 1 >= code.size()) return std::nullopt;
    access.port = code[p.length + 1];
  }
  return access;
}

bool is_read_msr(ByteView code, CodeSize size) {
  const Prefixes p = parse_prefixes(code, size);
  return p.length + 1 < code.size() && code[p.length] == 0x0f && code[p.length + 1] == 0x32;
}

bool is_call(ByteView code, CodeSize size) {
  const Prefixes p = parse_prefixes(code, size);
  if (p.length + 1 >= code.size()) return false;
  const std::uint8_t opcode = code[p.length];
  const unsigned reg = (code[p.length + 1] >> 3) & 7;
  return opcode == 0xe8 || opcode == 0x9a || (opcode == 0xff && (reg == 2 || reg == 3));
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

bool Decoder::holds_stand_in(ByteView code, CodeSize size, bool ports) {
  // Most blocks are told apart by their bytes; the rest are decoded.
  const auto opcode = [ports](std::uint8_t byte) {
    const bool port = (byte >= 0x6c && byte <= 0x6f) || (byte & 0xf4) == 0xe4;
    return byte == 0x32 || (ports && port);
  };
  if (std::none_of(code.begin(), code.end(), opcode)) return false;
  bool found = false;
  impl_->each(code, 0, size, [&](std::size_t offset, const cs_insn&) {
    const ByteView here = code.subspan(offset);
    found = is_read_msr(here, size) || (ports && parse_port_access(here, size));
    return !found;
  });
  return found;
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

}  // namespace ftvm::unicorn
