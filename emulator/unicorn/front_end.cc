// What both engines do while the library translates: blocks end with their page, where a block
// begins its flags come from nowhere, and what a CPU refuses is refused.
#include <unicorn/unicorn.h>

#include "emulator/unicorn/unicorn_cpu.h"

namespace ftvm::unicorn {

void UnicornCpu::code_found(std::uint64_t linear, std::uint64_t ram_offset) {
  code_page_ = linear / kPageBytes;
  const bool in_ram = ram_offset < memory_.size_bytes();
  code_ = in_ram ? memory_.data() + ram_offset / kPageBytes * kPageBytes : nullptr;
}

void UnicornCpu::instruction_begins(std::uint64_t linear) {
  Bytes fetched;
  ByteView code;
  if (code_ != nullptr && linear / kPageBytes == code_page_ &&
      linear % kPageBytes <= kPageBytes - kInstructionBytesMax) {
    code = {code_ + linear % kPageBytes, kInstructionBytesMax};
  } else {
    fetched = code_at(pull(), linear, kInstructionBytesMax);
    code = fetched;
  }
  const auto refused = refused_opcode(code, translated_size_);
  refused_at_ = refused ? linear + *refused : ~0ull;
}

void UnicornCpu::instruction_ends(std::uint64_t linear, std::uint64_t* next) {
  // Its ModRM byte belongs to it, so that a change of it is noticed.
  if (refused_at_ != ~0ull && *next == refused_at_ + 1) ++*next;
  refused_at_ = ~0ull;
  length_noted(static_cast<std::uint8_t>(*next - linear));
}

bool UnicornCpu::begins_block(std::uint64_t linear) const {
  if (code_ == nullptr || linear / kPageBytes != code_page_) return false;
  const ByteView code(code_ + linear % kPageBytes, kInstructionBytesMax);
  return flag_hazard(code, translated_size_) == FlagHazard::kBitTest;
}

Status UnicornCpu::calibrate_blocks() {
  // RAM is zero still: instructions of two bytes, of which a block takes no more when another might
  // not fit.
  constexpr std::uint64_t kBlockBytes = 18;
  constexpr std::uint64_t kBlockAt = kPageBytes - (kInstructionBytesMax - 1) - kBlockBytes;
  uc_tb block{};
  uc_ctl_request_cache(uc_, kBlockAt, &block);
  uc_ctl_flush_tb(uc_);
  forget_code_pages();
  if (block.size == kBlockBytes && block.icount == kBlockBytes / 2) return {};
  return Error(ErrorCode::kUnsupported, "libunicorn's blocks do not end with their page");
}

}  // namespace ftvm::unicorn
