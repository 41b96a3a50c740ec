// Registers, reset, snapshots and digests of the shared engine.
#include <unicorn/unicorn.h>

#include <algorithm>
#include <cstring>

#include "emulator/unicorn/unicorn_cpu.h"

namespace ftvm::unicorn {
namespace {

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

CpuRegisters UnicornCpu::registers() const {
  const RawState state = pull();
  const auto segment = [](const RawSegment& raw) {
    return SegmentRegister{static_cast<std::uint16_t>(raw.selector), raw.base, raw.limit,
                           raw.flags};
  };
  CpuRegisters r;
  for (unsigned i = 0; i < r.gpr.size(); ++i) r.gpr[i] = state.gpr(i);
  r.rip = state.rip();
  r.rflags = rflags(state);
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

void UnicornCpu::forget_code_pages() {
  std::fill(code_pages_.begin(), code_pages_.end(), std::uint8_t{0});
}

void UnicornCpu::reset() {
  load_breakpoints(RawState(pristine_.data()));
  const RawState state = pull();
  std::memcpy(state.bytes(), pristine_.data(), Offset::kReturnAddress);
  push();
  {
    const EngineScope scope(*this);
    uc_ctl_flush_tb(uc_);
  }
  forget_code_pages();
  hot_.current = &nothing_;
  halted_ = false;
  shutdown_ = false;
  flush();
}

void UnicornCpu::visit_state(StateVisitor& v) {
  v.enter("cpu");
  v.field("tick", hot_.tick);
  v.field("not_retired", not_retired_);
  v.field("halted", halted_);
  visit_raw(v);
  visit_granules(v);
  v.leave();
  flush();
}

void UnicornCpu::visit_raw(StateVisitor& v) {
  // Host pointers stay at home.
  constexpr std::size_t kPointersBytes = 4 * sizeof(void*);
  RawState state = pull();
  Bytes bytes(state.bytes(), state.bytes() + Offset::kReturnAddress);
  std::memset(bytes.data() + Offset::kBreakpoints, 0, kPointersBytes);
  const Bytes saved = bytes;
  v.blob("registers", bytes, Offset::kReturnAddress);
  if (bytes.size() != Offset::kReturnAddress) return;  // The loader has noted the error.
  if (bytes == saved) return;
  load_breakpoints(RawState(bytes.data()));
  state = pull();
  std::memcpy(bytes.data() + Offset::kBreakpoints, state.bytes() + Offset::kBreakpoints,
              kPointersBytes);
  std::memcpy(state.bytes(), bytes.data(), bytes.size());
  push();
}

void UnicornCpu::load_breakpoints(RawState loaded) {
  RawState state = pull();
  if (!breakpoints_armed(state) && !breakpoints_armed(loaded)) return;
  // The library keeps a list beside the registers, which follows DR7.
  write_debug_control(0);
  state = pull();
  for (unsigned i = 0; i < 4; ++i) state.dr(i) = loaded.dr(i);
  push();
  write_debug_control(loaded.dr(7));
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
  bool shadow = state.inhibited();
  v.field("shadow", shadow);
  v.field("gpr", r.gpr);
  v.field("rip", r.rip);
  v.field("rflags", r.rflags);
  for (SegmentRegister* s : {&r.segment[0], &r.segment[1], &r.segment[2], &r.segment[3],
                             &r.segment[4], &r.segment[5], &r.ldt, &r.tr, &r.gdt, &r.idt}) {
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
  for (std::size_t i = 0; i < 8; ++i) {
    v.field("fp_tag", state.at<std::uint8_t>(Offset::kFpTags + i));
    v.field("fp_mantissa", state.at<std::uint64_t>(Offset::kFpRegs + 16 * i));
    v.field("fp_exponent", state.at<std::uint16_t>(Offset::kFpRegs + 16 * i + 8));
  }
  for (std::size_t i = 0; i < 16; ++i) {
    v.field("xmm_low", state.at<std::uint64_t>(Offset::kXmm + 64 * i));
    v.field("xmm_high", state.at<std::uint64_t>(Offset::kXmm + 64 * i + 8));
  }
  v.leave();
}

}  // namespace ftvm::unicorn
