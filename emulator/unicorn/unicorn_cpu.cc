#include "emulator/unicorn/unicorn_cpu.h"

#include <unicorn/unicorn.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "emulator/base/diag.h"

namespace ftvm::unicorn {
namespace {

constexpr std::uint64_t kGranuleBytes = 2ull << 20;
constexpr unsigned kInstructionBytesMax = 15;
/// More than any window of the library's TLB resizing: after two flushes this far apart the TLB has
/// its smallest size, whatever came before.
constexpr std::uint64_t kTlbWindowNs = 1'000'000'000;

std::uint32_t hflags_for(const CpuRegisters& r) {
  constexpr std::uint64_t kEferLma = 1 << 10;
  std::uint32_t hflags = r.segment[kCs].selector & Hflags::kCplMask;
  if ((r.cr0 & 1) != 0) hflags |= Hflags::kPe;
  hflags |= static_cast<std::uint32_t>(r.cr0 << 8) & (7u << 9);  // MP, EM, TS
  if ((r.cr4 & (1u << 9)) != 0) hflags |= Hflags::kOsFxsr;
  if ((r.efer & kEferLma) != 0) hflags |= Hflags::kLma;
  return hflags;
}

}  // namespace

namespace {
thread_local UnicornCpu* engine_of_thread = nullptr;
}  // namespace

EngineScope::EngineScope(UnicornCpu& cpu) : clock_(cpu.engine_ns_), outer_(engine_of_thread) {
  engine_of_thread = &cpu;
}
EngineScope::~EngineScope() { engine_of_thread = outer_; }
UnicornCpu* EngineScope::current() { return engine_of_thread; }

UnicornCpu::UnicornCpu(GuestMemory& memory, CpuBus& bus)
    : memory_(memory),
      bus_(bus),
      walker_(memory, [this](GuestPhys at, std::size_t size) { memory_written(at, size); }),
      code_pages_(memory.size_bytes() / kPageBytes),
      index_cache_(kIndexEntries),
      granules_(memory.size_bytes() / kGranuleBytes) {
  hot_.current = &nothing_;
}

UnicornCpu::~UnicornCpu() {
  if (uc_ == nullptr) return;
  const EngineScope scope(*this);
  uc_close(uc_);
}

// --- running

CpuStop UnicornCpu::run(Tick limit, bool stop_at_interrupt_window) {
  FTVM_ASSERT(hot_.tick < limit.value);
  FTVM_ASSERT(!halted_);
  limit_ = limit.value;
  window_ = stop_at_interrupt_window;
  need_step_ = false;
  while (true) {
    if (shutdown_) {
      shutdown_ = false;
      return CpuStop::kShutdown;
    }
    if (halted_) return CpuStop::kHalted;
    if (window_ && accepts_interrupts()) return CpuStop::kInterruptWindow;
    if (hot_.tick >= limit_) {
      FTVM_ASSERT(hot_.tick == limit_);
      return CpuStop::kLimit;
    }
    // Under an interrupt shadow with IF set, the window opens behind the next instruction.
    const bool under_shadow = window_ && pull().interrupts_enabled();
    start(need_step_ || under_shadow);
  }
}

void UnicornCpu::start(bool step) {
  const std::uint64_t tick_before = hot_.tick;
  const bool shadow_before = shadow_;
  const RawState state = pull();
  if (step) {
    begin_step(state);
  } else {
    shadow_ = false;
  }
  push();
  hot_.current = &nothing_;
  stopping_ = false;
  limit_changed();
  uc_err error = UC_ERR_OK;
  {
    const EngineScope scope(*this);
    error = uc_emu_start(uc_, state.rip(), 0, 0, 0);
  }
  if (error != UC_ERR_OK) {
    FTVM_DIAG(kWarn, "cpu.error").kv("what", uc_strerror(error)).kv("rip", pull().rip());
    shutdown_ = true;
  }
  after_return(tick_before, shadow_before);
}

void UnicornCpu::after_return(std::uint64_t tick_before, bool shadow_before) {
  if (step_.active) end_step();
  if (hot_.tick == tick_before) shadow_ = shadow_before;
  hot_.current = &nothing_;
  if (stopping_ || shutdown_) return;
  const RawState state = pull();
  const Bytes before = code_at(state.rip() - 1, 1);
  constexpr std::uint8_t kHlt = 0xf4;
  if (state.cpl() == 0 && before.size() == 1 && before[0] == kHlt) {
    halted_ = true;
    shadow_ = false;
  }
}

void UnicornCpu::begin_step(RawState state) {
  const Bytes code = code_at(state.rip(), kInstructionBytesMax);
  // Only the first of several shadowing instructions casts a shadow.
  const bool shadowed = shadow_ || state.inhibited();
  step_ = Step{.active = true,
               .rip = state.rip(),
               .rcx = state.gpr(kRcx),
               .was_inhibited = state.inhibited(),
               .casts_shadow = !shadowed && casts_interrupt_shadow(code, code_size()),
               .rep = parse_rep_string(code, code_size())};
  shadow_ = false;
  state.hflags() |= Hflags::kInhibitIrq;  // The next block is exactly one instruction.
}

void UnicornCpu::end_step() {
  const Step step = std::exchange(step_, Step{});
  if (step.interrupted) return;
  if (!step.counted) {
    // The library came back without running anything (it made room for translations).
    const RawState state = pull();
    if (!step.was_inhibited) state.hflags() &= ~Hflags::kInhibitIrq;
    push();
    return;
  }
  shadow_ = step.casts_shadow;
  if (!step.rep) return;
  step_.rep = step.rep;
  step_.rip = step.rip;
  step_.rcx = step.rcx;
  finish_rep(pull());
  step_ = Step{};
}

void UnicornCpu::finish_rep(RawState state) {
  // Stepped, the library leaves a REP with the last iteration; running, it makes one more pass that
  // sees the count exhausted. The pass is an instruction of the count, so it is put back.
  const std::uint64_t mask = step_.rep->address32 ? 0xffff'ffffull : ~0ull;
  const bool exhausted = (step_.rcx & mask) == 1 && (state.gpr(kRcx) & mask) == 0;
  if (!exhausted || state.rip() != step_.rip + step_.rep->length_bytes) return;
  if (step_.rep->compares && ((rflags() & Rflags::kZf) != 0) != step_.rep->while_equal) return;
  state.rip() = step_.rip;
  push();
}

void UnicornCpu::stop_engine() {
  stopping_ = true;
  uc_emu_stop(uc_);
}

void UnicornCpu::lower_limit(Tick limit) {
  if (limit.value >= limit_) return;
  limit_ = limit.value;
  limit_changed();
}

void UnicornCpu::idle_until(Tick to) {
  FTVM_ASSERT(halted_);
  FTVM_ASSERT(to.value >= hot_.tick);
  not_retired_ += to.value - hot_.tick;
  hot_.tick = to.value;
}

bool UnicornCpu::accepts_interrupts() const {
  const RawState state = pull();
  return state.interrupts_enabled() && !shadow_ && !state.inhibited();
}

void UnicornCpu::flush() {
  const EngineScope scope(*this);
  uc_ctl_flush_tlb(uc_);
  engine_ns_ += kTlbWindowNs;
  uc_ctl_flush_tlb(uc_);
  engine_ns_ += kTlbWindowNs;
}

// --- memory and code

void UnicornCpu::memory_written(GuestPhys address, std::size_t size_bytes) {
  if (size_bytes == 0) return;
  const std::uint64_t last = (address.value + size_bytes - 1) / kPageBytes;
  for (std::uint64_t page = address.value / kPageBytes; page <= last; ++page) {
    if (page < code_pages_.size() && code_pages_[page] != 0) drop_translations(GuestPhys{page * kPageBytes});
  }
}

void UnicornCpu::note_code_page(GuestPhys page) {
  if (page.value >= memory_.size_bytes()) return;
  code_pages_[page.value / kPageBytes] = 1;
  const std::uint64_t granule = page.value / kGranuleBytes;
  if (granules_[granule] != 0) return;
  granules_[granule] = 1;
  granule_added(granule);
  uc_ctl_flush_tlb(uc_);
}

Bytes UnicornCpu::code_at(std::uint64_t pc, std::size_t size_bytes) const {
  Bytes code(size_bytes);
  code.resize(walker_.peek(paging_of(pull()), pc, code));
  return code;
}

CodeSize UnicornCpu::code_size() const {
  const RawState state = pull();
  if (state.code64()) return CodeSize::k64;
  return (state.hflags() & Hflags::kCs32) != 0 ? CodeSize::k32 : CodeSize::k16;
}

unsigned UnicornCpu::index_in_block(std::uint64_t rip) {
  const Block& block = *hot_.current;
  if (rip == block.pc) return 0;
  if (index_cache_translations_ != translations_) {
    // Code may have changed wherever something was translated anew.
    std::fill(index_cache_.begin(), index_cache_.end(), IndexEntry{});
    index_cache_translations_ = translations_;
  }
  const std::uint64_t cr3 = pull().cr(3);
  IndexEntry& entry = index_cache_[(block.pc * 31 + rip) % kIndexEntries];
  if (entry.cr3 != cr3 || entry.pc != block.pc || entry.rip != rip ||
      entry.size_bytes != block.size_bytes) {
    const unsigned index =
        decoder_.count(code_at(block.pc, block.size_bytes), rip - block.pc, code_size());
    entry = IndexEntry{cr3, block.pc, rip, block.size_bytes, index};
  }
  FTVM_ASSERT(entry.index <= block.instructions);
  return entry.index;
}

Tick UnicornCpu::access_tick() {
  const Block& block = *hot_.current;
  const std::uint64_t rip = pull().rip();
  if (rip < block.pc || rip >= block.pc + block.size_bytes) return Tick{hot_.tick};
  return Tick{hot_.tick - block.instructions + index_in_block(rip)};
}

void UnicornCpu::take_back_from(std::uint64_t rip) {
  const Block& block = *hot_.current;
  if (rip < block.pc || rip >= block.pc + block.size_bytes) return;
  hot_.tick -= block.instructions - index_in_block(rip);
  forget_block();
}

void UnicornCpu::forget_block() { hot_.current = &nothing_; }

// --- registers and state

CpuRegisters UnicornCpu::registers() const {
  const RawState state = pull();
  const auto segment = [](const RawSegment& raw) {
    return SegmentRegister{static_cast<std::uint16_t>(raw.selector), raw.base, raw.limit, raw.flags};
  };
  CpuRegisters r;
  for (unsigned i = 0; i < r.gpr.size(); ++i) r.gpr[i] = state.gpr(i);
  r.rip = state.rip();
  r.rflags = rflags();
  for (unsigned i = 0; i < r.segment.size(); ++i) r.segment[i] = segment(state.segment(i));
  r.ldt = segment(state.at<RawSegment>(Offset::kLdt));
  r.tr = segment(state.tr());
  r.gdt = segment(state.gdt());
  r.idt = segment(state.idt());
  r.cr0 = state.cr(0);
  r.cr2 = state.cr(2);
  r.cr3 = state.cr(3);
  r.cr4 = state.cr(4);
  r.efer = state.efer();
  return r;
}

void UnicornCpu::set_registers(const CpuRegisters& r) {
  const RawState state = pull();
  const auto raw = [](const SegmentRegister& s) {
    return RawSegment{s.selector, 0, s.base, s.limit, s.attributes};
  };
  for (unsigned i = 0; i < r.gpr.size(); ++i) state.gpr(i) = r.gpr[i];
  state.rip() = r.rip;
  state.set_rflags(r.rflags);
  for (unsigned i = 0; i < r.segment.size(); ++i) state.segment(i) = raw(r.segment[i]);
  state.at<RawSegment>(Offset::kLdt) = raw(r.ldt);
  state.tr() = raw(r.tr);
  state.gdt() = raw(r.gdt);
  state.idt() = raw(r.idt);
  state.cr(0) = r.cr0;
  state.cr(2) = r.cr2;
  state.cr(3) = r.cr3;
  state.cr(4) = r.cr4;
  state.efer() = r.efer;
  state.hflags() = hflags_for(r);
  load_code_segment(state, r.segment[kCs].selector, r.segment[kCs].base, r.segment[kCs].limit,
                    r.segment[kCs].attributes);
  state.forget_exception();
  push();
  flush();
}

void UnicornCpu::reset() {
  const RawState state = pull();
  std::memcpy(state.bytes(), pristine_.data(), Offset::kReturnAddress);
  push();
  {
    const EngineScope scope(*this);
    uc_ctl_flush_tb(uc_);
  }
  std::fill(code_pages_.begin(), code_pages_.end(), std::uint8_t{0});
  hot_.current = &nothing_;
  ++translations_;
  halted_ = false;
  shadow_ = false;
  shutdown_ = false;
  flush();
}

void UnicornCpu::visit_state(StateVisitor& v) {
  v.enter("cpu");
  v.field("tick", hot_.tick);
  v.field("not_retired", not_retired_);
  v.field("halted", halted_);
  v.field("shadow", shadow_);
  visit_raw(v);
  visit_granules(v);
  v.leave();
  flush();
}

void UnicornCpu::visit_raw(StateVisitor& v) {
  const RawState state = pull();
  // Host pointers stay at home.
  Bytes bytes(state.bytes(), state.bytes() + Offset::kReturnAddress);
  std::memset(bytes.data() + Offset::kBreakpoints, 0, 4 * sizeof(void*));
  v.blob("registers", bytes, Offset::kReturnAddress);
  if (bytes.size() != Offset::kReturnAddress) return;  // The loader has noted the error.
  std::uint8_t breakpoints[4 * sizeof(void*)];
  std::memcpy(breakpoints, state.bytes() + Offset::kBreakpoints, sizeof breakpoints);
  std::memcpy(state.bytes(), bytes.data(), bytes.size());
  std::memcpy(state.bytes() + Offset::kBreakpoints, breakpoints, sizeof breakpoints);
  push();
}

void UnicornCpu::visit_granules(StateVisitor& v) {
  Bytes granules = granules_;
  v.blob("code_granules", granules, granules_.size());
  if (granules.size() != granules_.size()) return;
  for (std::uint64_t i = 0; i < granules.size(); ++i) {
    if (granules[i] == 0 || granules_[i] != 0) continue;
    granules_[i] = 1;
    granule_added(i);
  }
}

void UnicornCpu::visit_digest(StateVisitor& v) {
  const RawState state = pull();
  CpuRegisters r = registers();
  v.enter("cpu");
  v.field("tick", hot_.tick);
  v.field("not_retired", not_retired_);
  v.field("halted", halted_);
  bool shadow = shadow_ || state.inhibited();
  v.field("shadow", shadow);
  v.field("gpr", r.gpr);
  v.field("rip", r.rip);
  v.field("rflags", r.rflags);
  for (SegmentRegister* s : {&r.segment[0], &r.segment[1], &r.segment[2], &r.segment[3], &r.segment[4],
                             &r.segment[5], &r.ldt, &r.tr, &r.gdt, &r.idt}) {
    v.field("selector", s->selector);
    v.field("base", s->base);
    v.field("limit", s->limit);
    v.field("attributes", s->attributes);
  }
  for (unsigned i = 0; i < 5; ++i) v.scalar("cr", state.cr(i), 8);
  for (unsigned i = 0; i < 8; ++i) v.scalar("dr", state.dr(i), 8);
  for (const std::size_t offset :
       {Offset::kEfer, Offset::kSysenterEsp, Offset::kSysenterEip, Offset::kStar, Offset::kLstar,
        Offset::kCstar, Offset::kFmask, Offset::kKernelGsBase, Offset::kTscAux, Offset::kPat}) {
    v.scalar("msr", state.at<std::uint64_t>(offset), 8);
  }
  v.field("sysenter_cs", state.at<std::uint32_t>(Offset::kSysenterCs));
  v.field("mxcsr", state.at<std::uint32_t>(Offset::kMxcsr));
  v.field("fp_control", state.at<std::uint16_t>(Offset::kFpControl));
  v.field("fp_status", state.at<std::uint16_t>(Offset::kFpStatus));
  v.field("fp_top", state.at<std::uint32_t>(Offset::kFpStackTop));
  for (unsigned i = 0; i < 8; ++i) {
    v.field("fp_tag", state.at<std::uint8_t>(Offset::kFpTags + i));
    v.field("fp_mantissa", state.at<std::uint64_t>(Offset::kFpRegs + 16 * i));
    v.field("fp_exponent", state.at<std::uint16_t>(Offset::kFpRegs + 16 * i + 8));
  }
  for (unsigned i = 0; i < 16; ++i) {
    v.field("xmm_low", state.at<std::uint64_t>(Offset::kXmm + 64 * i));
    v.field("xmm_high", state.at<std::uint64_t>(Offset::kXmm + 64 * i + 8));
  }
  v.leave();
}

}  // namespace ftvm::unicorn
