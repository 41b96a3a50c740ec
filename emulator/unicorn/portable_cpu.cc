#include "emulator/unicorn/portable_cpu.h"

#include <unicorn/unicorn.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "emulator/base/diag.h"
#include "emulator/unicorn/interpose.h"

namespace ftvm::unicorn {
namespace {

constexpr std::uint64_t kGranuleBytes = 512ull << 10;
constexpr std::uint64_t kCr0Paging = 1ull << 31;

Error layout_error(std::string_view what) {
  return {ErrorCode::kUnsupported,
          "libunicorn's CPU state is not laid out as calibrated: " + std::string(what)};
}

bool never(uc_engine*, uc_mem_type, std::uint64_t, int, std::int64_t, void*) {
  return false;
}

}  // namespace

PortableCpu::~PortableCpu() {
  if (context_ != nullptr) uc_context_free(context_);
  if (scratch_ != nullptr) uc_context_free(scratch_);
}

Status PortableCpu::attach_engine() {
  FTVM_TRY(calibrate());
  share_interposition();
  uc_hook handle = 0;
  uc_err e =
      uc_hook_add(uc_, &handle, UC_HOOK_BLOCK, reinterpret_cast<void*>(block_hook), this, 1, 0);
  if (e == UC_ERR_OK) {
    e = uc_hook_add(uc_, &handle, UC_HOOK_EDGE_GENERATED, reinterpret_cast<void*>(translation_hook),
                    this, 1, 0);
  }
  if (e != UC_ERR_OK) return Error(ErrorCode::kUnsupported, uc_strerror(e));
  return {};
}

/// Where the library lets some of its functions be replaced, a guest cannot tell the engines apart.
void PortableCpu::share_interposition() {
  Status shared = check_shared_interposition();
  if (shared) shared = calibrate_blocks();
  shows_tlb_ = shared.has_value();
  if (!shared) FTVM_DIAG(kWarn, "engine.library_tlb").kv("why", shared.error().message());
}

Status PortableCpu::calibrate() {
  if (uc_context_alloc(uc_, &context_) != UC_ERR_OK ||
      uc_context_alloc(uc_, &scratch_) != UC_ERR_OK ||
      uc_context_save(uc_, context_) != UC_ERR_OK) {
    return layout_error("no context");
  }
  // Sentinels go in through the documented API and must come out at our offsets.
  std::uint64_t rax = 0x1122'3344'5566'7788, rip = 0x99aa'bbcc'ddee'ff01,
                fs = 0x0123'4567'89ab'cdef;
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

void PortableCpu::push() {
  uc_context_restore(uc_, context_);
}

std::uint64_t PortableCpu::full_rflags() const {
  std::uint64_t flags = 0;
  uc_context_reg_read(context_, UC_X86_REG_EFLAGS, &flags);
  return flags & 0xffff'ffff;
}

// --- counting

void PortableCpu::block_hook(uc_struct*, std::uint64_t pc, std::uint32_t size_bytes, void* user) {
  static_cast<PortableCpu*>(user)->on_block(pc, size_bytes);
}

void PortableCpu::on_block(std::uint64_t pc, std::uint32_t size_bytes) {
  const BlockMemo::Entry& known = memo_.at(pc);
  if (known.pc != pc || known.size_bytes != size_bytes || hot_.tick + known.charge > hot_.limit) {
    meet_block(pc, size_bytes);
    return;
  }
  fresh_ = one_shot_ = redone_ = false;
  count(pc, size_bytes, known.instructions);
}

void PortableCpu::meet_block(std::uint64_t pc, std::uint32_t size_bytes) {
  if (!primed_) note_translation(pc, size_bytes);
  const bool fresh = std::exchange(fresh_, false);
  const unsigned instructions = count_block(pc, size_bytes);
  redone_ = in_current_block(pc) && was_abandoned(pc, instructions, fresh);
  if (redone_) redo_from(pc);
  if (step_.active) {
    if (step_.counted || step_.interrupted) {
      stop_engine();
      return;
    }
    step_.counted = true;
    count(pc, size_bytes, 1);
    return;
  }
  bool stop = hot_.tick + instructions > limit_;
  step_all_ = stop && hot_.tick < limit_;
  if (window_ && !stop) {
    std::uint64_t flags = 0;
    uc_reg_read(uc_, UC_X86_REG_EFLAGS, &flags);
    stop = (flags & Rflags::kIf) != 0;
  }
  const bool known = memo_.knows(pc);
  const auto special = known ? specials_.end() : specials_.find(pc);
  if (!stop && special != specials_.end()) stop = step_once_ = meet_special(special->second);
  if (!stop && resumes()) stop = step_once_ = true;
  if (stop) {
    forget_block();
    stop_engine();
    return;
  }
  if (!known && special == specials_.end()) {
    // A block of one instruction may be made for once, or be left by what it stores.
    const std::uint64_t charge = instructions == 1 ? kRunTicksMax + 1 : instructions;
    memo_.met({pc, size_bytes, instructions, charge});
  }
  count(pc, size_bytes, instructions);
}

/// True when the block must be stepped.
bool PortableCpu::meet_special(const Special& special) {
  // The REP goes on in a block of its own. That it is there makes a block that is new one that was
  // made because the first iteration gave up this one: see was_abandoned().
  if (special.rep_at) ask(*special.rep_at);
  return special.stepped;
}

void PortableCpu::count(std::uint64_t pc, std::uint32_t size_bytes, unsigned instructions) {
  block_.pc = pc;
  block_.size_bytes = size_bytes;
  block_.instructions = block_.charge = instructions;
  hot_.current = &block_;
  hot_.tick += instructions;
}

/// The usual block at its place, translated if it is not there.
std::optional<uc_tb> PortableCpu::ask(std::uint64_t pc) {
  uc_tb block{};
  if (uc_ctl_request_cache(uc_, pc, &block) != UC_ERR_OK) return std::nullopt;
  memo_.translated({block.pc, block.size, block.icount});
  return block;
}

unsigned PortableCpu::count_block(std::uint64_t pc, std::uint32_t size_bytes) {
  const auto block = ask(pc);
  one_shot_ = !block || block->size != size_bytes;
  if (!one_shot_) return block->icount;
  // Made for one instruction, once. Asking had the usual block translated, of which nobody tells.
  if (block && block->size != 0) note_translation(pc, block->size);
  return 1;
}

// --- translations

void PortableCpu::translation_hook(uc_struct*, uc_tb* block, uc_tb*, void* user) {
  auto* cpu = static_cast<PortableCpu*>(user);
  cpu->fresh_ = true;
  cpu->memo_.translated({block->pc, block->size, block->icount});
  cpu->note_translation(block->pc, block->size);
}

void PortableCpu::note_translation(std::uint64_t begin, std::uint32_t size_bytes) {
  primed_ = true;
  memo_.forget(begin);
  leads_to_itself_.reset();
  const RawState state = pull();
  watch_rf_ = watch_rf_ || breakpoints_armed(state);  // A new breakpoint has all translated anew.
  limit_changed();
  const PagingState paging = paging_of(state);
  for (const std::uint64_t pc : {begin, begin + size_bytes - 1}) {
    if (const auto physical = walker_.probe(paging, pc)) {
      note_code_page(GuestPhys{physical->value / kPageBytes * kPageBytes});
    }
  }
  note_special(state, begin, size_bytes);
}

void PortableCpu::note_special(RawState state, std::uint64_t begin, std::uint32_t size_bytes) {
  const Bytes code = code_at(state, begin, size_bytes);
  const CodeSize size = code_size(state);
  Special special{.stepped = must_be_stepped(state, code)};
  const unsigned last = last_instruction_length(code, size);
  const std::size_t last_at = code.size() - std::min<std::size_t>(last, code.size());
  if (last_at != 0 && parse_rep_string(ByteView(code).subspan(last_at), size)) {
    special.rep_at = begin + last_at;
    note_special(state, *special.rep_at, last);
  }
  if (!special.stepped && !special.rep_at) return;
  memo_.forget(begin);
  const auto [known, inserted] = specials_.try_emplace(begin, special);
  if (inserted) return;
  known->second.stepped = known->second.stepped || special.stepped;
  if (special.rep_at) known->second.rep_at = special.rep_at;
}

void PortableCpu::granule_added(std::uint64_t granule) {
  uc_hook handle = 0;
  const std::uint64_t begin = granule * kGranuleBytes;
  const uc_err e = uc_hook_add(uc_, &handle, UC_HOOK_MEM_FETCH_PROT, reinterpret_cast<void*>(never),
                               nullptr, begin, begin + kGranuleBytes - 1);
  FTVM_ASSERT(e == UC_ERR_OK);
  const PrivateUse alone(*this);
  uc_ctl_flush_tlb(uc_);  // The hook is noticed when a page enters the TLB.
}

RawState PortableCpu::copy_state() {
  uc_context_save(uc_, scratch_);
  const auto header_bytes = state_ - reinterpret_cast<std::uint8_t*>(context_);
  return RawState(reinterpret_cast<std::uint8_t*>(scratch_) + header_bytes);
}

void PortableCpu::drop_translations(GuestPhys page) {
  // The call takes virtual addresses; without paging they are physical. The caller may be editing
  // the pulled state, so this works on a copy of its own.
  const EngineScope scope(*this);
  const PrivateUse alone(*this);
  const RawState state = copy_state();
  const std::uint64_t cr0 = state.cr(0);
  state.cr(0) = cr0 & ~kCr0Paging;
  uc_context_restore(uc_, scratch_);
  uc_ctl_flush_tlb(uc_);
  uc_ctl_remove_cache(uc_, page.value, page.value + kPageBytes);
  state.cr(0) = cr0;
  uc_context_restore(uc_, scratch_);
  uc_ctl_flush_tlb(uc_);
}

void PortableCpu::write_debug_control(std::uint64_t dr7) {
  // Only the instruction does it, so it is run, without paging, in the first bytes of RAM. What the
  // registers hold afterwards does not matter: the caller is about to load all of them.
  constexpr std::array<std::uint8_t, 3> kMovDr7Rax{0x0f, 0x23, 0xf8};
  std::array<std::uint8_t, kMovDr7Rax.size()> ram{};
  std::copy_n(memory_.data(), ram.size(), ram.begin());
  std::copy(kMovDr7Rax.begin(), kMovDr7Rax.end(), memory_.data());
  drop_translations(GuestPhys{0});
  const RawState state = pull();
  state.gpr(kRax) = dr7;
  state.rip() = 0;
  state.cr(0) &= ~kCr0Paging;
  state.segment(kCs).base = 0;
  state.hflags() = Hflags::kPe | Hflags::kLma | Hflags::kCs64 | Hflags::kCs32 | Hflags::kSs32;
  push();
  const std::uint64_t tick = hot_.tick;
  {
    const PrivateUse alone(*this);
    step();
  }
  hot_.tick = tick;
  std::copy(ram.begin(), ram.end(), memory_.data());
  drop_translations(GuestPhys{0});
}

Result<std::unique_ptr<Cpu>> make_portable(const CpuOptions& options, GuestMemory& memory,
                                           CpuBus& bus) {
  auto cpu = std::make_unique<PortableCpu>(memory, bus);
  FTVM_TRY(cpu->create(options));
  return std::unique_ptr<Cpu>(std::move(cpu));
}

}  // namespace ftvm::unicorn
