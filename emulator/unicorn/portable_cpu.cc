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

constexpr std::uint64_t kGranuleBytes = 2ull << 20;
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
  if (!stop && (meet_special(pc) || resumes())) stop = step_once_ = true;
  if (stop) {
    forget_block();
    stop_engine();
    return;
  }
  count(pc, size_bytes, instructions);
}

/// True when the block must be stepped.
bool PortableCpu::meet_special(std::uint64_t pc) {
  if (!special_filter_[filter_of(pc)]) return false;
  const auto found = specials_.find(pc);
  if (found == specials_.end()) return false;
  if (found->second.rep_at) {
    // The REP goes on in a block of its own. That it is there makes a block that is new one that
    // was made because the first iteration gave up this one: see was_abandoned().
    uc_tb block{};
    uc_ctl_request_cache(uc_, *found->second.rep_at, &block);
  }
  return found->second.stepped;
}

void PortableCpu::count(std::uint64_t pc, std::uint32_t size_bytes, unsigned instructions) {
  block_ = Block{pc, size_bytes, instructions, instructions, nullptr};
  hot_.current = &block_;
  hot_.tick += instructions;
}

unsigned PortableCpu::count_block(std::uint64_t pc, std::uint32_t size_bytes) {
  uc_tb block{};
  one_shot_ = uc_ctl_request_cache(uc_, pc, &block) != UC_ERR_OK || block.size != size_bytes;
  if (!one_shot_) return block.icount;
  // Made for one instruction, once. Asking had the usual block translated, of which nobody tells.
  if (block.size != 0) note_translation(pc, block.size);
  return 1;
}

bool PortableCpu::was_abandoned(std::uint64_t pc, unsigned instructions, bool fresh) {
  // A store into its own block gives it up and runs again in a block of its own, which can be told
  // from the usual block at its place, but for the following.
  if (redone_) return false;  // That it may overwrite itself is why it is made alone.
  if (one_shot_) return true;
  if (instructions != 1) return false;
  // Every block of a step is a single instruction. At its end the step clears the flag, but for a
  // REP that goes on.
  if (step_.active && step_.rep) return pull().gpr(kRcx) == step_.rcx;
  if (step_.active) return pull().inhibited();
  const bool alone = pc == hot_.current->pc && hot_.current->instructions == 1;
  if (!fresh && (!alone || pc == leads_to_itself_)) return false;
  const RawState state = pull();
  const Bytes code = code_at(state, pc, kInstructionBytesMax);
  if (alone && !may_lead_to_itself(code, code_size(state))) return true;
  leads_to_itself_ = pc;
  // Else it is translated anew: the usual one is there before (meet_special()), others are dropped
  // (redo_from()).
  if (!fresh) return false;
  // A single step has a trap at its end, and none has come.
  if ((state.system_flags() & Rflags::kTf) != 0) return true;
  if (parse_rep_string(code, code_size(state))) return true;
  // A CALL that pushes on its own block. One that leads to itself has pushed where it comes back
  // to.
  return is_call(code, code_size(state)) &&
         (pc == hot_.current->pc || !has_pushed_return(state, pc, code));
}

/// The instruction at `pc` of the current block is made again.
void PortableCpu::redo_from(std::uint64_t pc) {
  const RawState state = pull();
  mend_flags(state, pc);
  push();
  take_back_from(state, pc);
  step_.counted = false;
  if (one_shot_) return;
  // What is run now must not be found when it is needed again: see was_abandoned().
  if (const auto at = walker_.probe(paging_of(state), pc)) {
    drop_translations(GuestPhys{at->value / kPageBytes * kPageBytes});
  }
}

/// Whether the top of the stack is the address behind the CALL at `pc`.
bool PortableCpu::has_pushed_return(RawState state, std::uint64_t pc, ByteView call) const {
  const std::uint64_t behind =
      pc + instruction_length(call, code_size(state)) - state.segment(kCs).base;
  const std::size_t size_bytes = state.code64() ? 8 : 4;
  const std::uint64_t stack_base = state.code64() ? 0 : state.segment(kSs).base;
  Bytes top = code_at(state, stack_base + state.gpr(kRsp), size_bytes);
  if (top.size() != size_bytes) return false;
  top.resize(8);
  return load_le<std::uint64_t>(top.data()) == behind;
}

// --- translations

void PortableCpu::translation_hook(uc_struct*, uc_tb* block, uc_tb*, void* user) {
  auto* cpu = static_cast<PortableCpu*>(user);
  cpu->fresh_ = true;
  cpu->note_translation(block->pc, block->size);
}

void PortableCpu::note_translation(std::uint64_t begin, std::uint32_t size_bytes) {
  primed_ = true;
  leads_to_itself_.reset();
  const RawState state = pull();
  watch_rf_ = watch_rf_ || breakpoints_armed(state);  // A new breakpoint has all translated anew.
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
  special_filter_[filter_of(begin)] = true;
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
