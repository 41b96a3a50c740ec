#include "emulator/unicorn/portable_cpu.h"

#include <unicorn/unicorn.h>

#include <cstring>
#include <string>

namespace ftvm::unicorn {
namespace {

constexpr std::uint64_t kGranuleBytes = 2ull << 20;

Error layout_error(std::string_view what) {
  return {ErrorCode::kUnsupported,
          "libunicorn's CPU state is not laid out as calibrated: " + std::string(what)};
}

bool never(uc_engine*, uc_mem_type, std::uint64_t, int, std::int64_t, void*) { return false; }

}  // namespace

PortableCpu::~PortableCpu() {
  if (context_ != nullptr) uc_context_free(context_);
  if (scratch_ != nullptr) uc_context_free(scratch_);
}

Status PortableCpu::attach_engine() {
  FTVM_TRY(calibrate());
  uc_hook handle = 0;
  uc_err e = uc_hook_add(uc_, &handle, UC_HOOK_BLOCK, reinterpret_cast<void*>(block_hook), this, 1, 0);
  if (e == UC_ERR_OK) {
    e = uc_hook_add(uc_, &handle, UC_HOOK_EDGE_GENERATED, reinterpret_cast<void*>(translation_hook),
                    this, 1, 0);
  }
  if (e != UC_ERR_OK) return Error(ErrorCode::kUnsupported, uc_strerror(e));
  return {};
}

Status PortableCpu::calibrate() {
  if (uc_context_alloc(uc_, &context_) != UC_ERR_OK || uc_context_alloc(uc_, &scratch_) != UC_ERR_OK ||
      uc_context_save(uc_, context_) != UC_ERR_OK) {
    return layout_error("no context");
  }
  // Sentinels go in through the documented API and must come out at our offsets.
  std::uint64_t rax = 0x1122'3344'5566'7788, rip = 0x99aa'bbcc'ddee'ff01, fs = 0x0123'4567'89ab'cdef;
  uc_context_reg_write(context_, UC_X86_REG_RAX, &rax);
  uc_context_reg_write(context_, UC_X86_REG_RIP, &rip);
  uc_context_reg_write(context_, UC_X86_REG_FS_BASE, &fs);
  uc_x86_mmr tr = {0x28, 0x1234'5678'9abc, 0x67, 0x8900};
  uc_context_reg_write(context_, UC_X86_REG_TR, &tr);
  auto* bytes = reinterpret_cast<std::uint8_t*>(context_);
  constexpr std::size_t kHeaderBytesMax = 256;
  for (std::size_t i = 0; i < kHeaderBytesMax && state_ == nullptr; ++i) {
    if (std::memcmp(bytes + i, &rax, sizeof rax) == 0) state_ = bytes + i - Offset::kGpr;
  }
  if (state_ == nullptr) return layout_error("RAX not found");
  const RawState state(state_);
  if (state.rip() != rip) return layout_error("RIP");
  if (state.segment(kFs).base != fs) return layout_error("segment caches");
  if (state.tr().base != tr.base || state.tr().selector != tr.selector) return layout_error("TR");
  if (uc_context_size(uc_) < static_cast<std::size_t>(state_ - bytes) + Offset::kEnd) {
    return layout_error("size");
  }
  std::uint64_t mxcsr = 0x1f81;
  uc_context_reg_write(context_, UC_X86_REG_MXCSR, &mxcsr);
  if (state.at<std::uint32_t>(Offset::kMxcsr) != mxcsr) return layout_error("MXCSR");
  return uc_context_save(uc_, context_) == UC_ERR_OK ? Status() : layout_error("no context");
}

RawState PortableCpu::pull() const {
  uc_context_save(uc_, context_);
  return RawState(state_);
}

void PortableCpu::push() { uc_context_restore(uc_, context_); }

std::uint64_t PortableCpu::rflags() const {
  std::uint64_t flags = 0;
  uc_context_reg_read(context_, UC_X86_REG_EFLAGS, &flags);
  return flags & 0xffff'ffff;
}

// --- counting

void PortableCpu::block_hook(uc_struct*, std::uint64_t pc, std::uint32_t size_bytes, void* user) {
  static_cast<PortableCpu*>(user)->on_block(pc, size_bytes);
}

void PortableCpu::on_block(std::uint64_t pc, std::uint32_t size_bytes) {
  if (was_abandoned(pc, size_bytes)) take_back_from(pc);
  if (step_.active) {
    if (step_.counted && !step_.interrupted && step_was_abandoned(pc)) {
      --hot_.tick;
      step_.counted = false;
    }
    if (step_.counted || step_.interrupted) {
      stop_engine();
      return;
    }
    step_.counted = true;
    count(pc, size_bytes, 1);
    return;
  }
  const unsigned instructions = count_block(pc, size_bytes);
  bool stop = hot_.tick + instructions > limit_;
  need_step_ = stop && hot_.tick < limit_;
  if (window_ && !stop) {
    std::uint64_t flags = 0;
    uc_reg_read(uc_, UC_X86_REG_EFLAGS, &flags);
    stop = (flags & Rflags::kIf) != 0;
  }
  if (stop) {
    forget_block();
    stop_engine();
    return;
  }
  count(pc, size_bytes, instructions);
}

void PortableCpu::count(std::uint64_t pc, std::uint32_t size_bytes, unsigned instructions) {
  block_ = Block{pc, size_bytes, instructions};
  hot_.current = &block_;
  hot_.tick += instructions;
}

unsigned PortableCpu::count_block(std::uint64_t pc, std::uint32_t size_bytes) {
  uc_tb block{};
  if (uc_ctl_request_cache(uc_, pc, &block) == UC_ERR_OK && block.size == size_bytes) {
    return block.icount;
  }
  // A block made for one run only; the library does not keep it.
  return decoder_.count(code_at(pc, size_bytes), size_bytes, code_size());
}

bool PortableCpu::was_abandoned(std::uint64_t pc, std::uint32_t size_bytes) {
  const Block& last = *hot_.current;
  if (pc < last.pc || pc >= last.pc + last.size_bytes || step_.active) return false;
  if (pc == last.pc) return size_bytes != last.size_bytes;
  return !decoder_.can_reach(code_at(last.pc, last.size_bytes), last.pc, pc, code_size());
}

bool PortableCpu::step_was_abandoned(std::uint64_t pc) {
  if (pc != step_.rip) return false;
  if (step_.rep) return step_.rcx != 0 && pull().gpr(kRcx) == step_.rcx;
  const Block& last = *hot_.current;
  return !decoder_.can_reach(code_at(last.pc, last.size_bytes), last.pc, pc, code_size());
}

// --- translations

void PortableCpu::translation_hook(uc_struct*, uc_tb* block, uc_tb*, void* user) {
  static_cast<PortableCpu*>(user)->on_translation(*block);
}

void PortableCpu::on_translation(const uc_tb& block) {
  translation_made();
  const PagingState paging = paging_of(pull());
  for (const std::uint64_t pc : {block.pc, block.pc + block.size - 1}) {
    if (const auto physical = walker_.probe(paging, pc)) {
      note_code_page(GuestPhys{physical->value / kPageBytes * kPageBytes});
    }
  }
}

void PortableCpu::granule_added(std::uint64_t granule) {
  uc_hook handle = 0;
  const std::uint64_t begin = granule * kGranuleBytes;
  const uc_err e = uc_hook_add(uc_, &handle, UC_HOOK_MEM_FETCH_PROT, reinterpret_cast<void*>(never),
                               nullptr, begin, begin + kGranuleBytes - 1);
  FTVM_ASSERT(e == UC_ERR_OK);
}

void PortableCpu::drop_translations(GuestPhys page) {
  // The call takes virtual addresses; without paging they are physical. The caller may be editing
  // the pulled state, so this works on a copy of its own.
  constexpr std::uint64_t kCr0Paging = 1ull << 31;
  const EngineScope scope(*this);
  uc_context_save(uc_, scratch_);
  const auto header_bytes = state_ - reinterpret_cast<std::uint8_t*>(context_);
  const RawState state(reinterpret_cast<std::uint8_t*>(scratch_) + header_bytes);
  const std::uint64_t cr0 = state.cr(0);
  state.cr(0) = cr0 & ~kCr0Paging;
  uc_context_restore(uc_, scratch_);
  uc_ctl_flush_tlb(uc_);
  uc_ctl_remove_cache(uc_, page.value, page.value + kPageBytes);
  state.cr(0) = cr0;
  uc_context_restore(uc_, scratch_);
  uc_ctl_flush_tlb(uc_);
  translation_made();
}

Result<std::unique_ptr<Cpu>> make_portable(const CpuOptions& options, GuestMemory& memory, CpuBus& bus) {
  auto cpu = std::make_unique<PortableCpu>(memory, bus);
  FTVM_TRY(cpu->create(options));
  return std::unique_ptr<Cpu>(std::move(cpu));
}

}  // namespace ftvm::unicorn
