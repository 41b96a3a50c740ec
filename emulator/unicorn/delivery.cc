#include "emulator/unicorn/delivery.h"

#include <array>
#include <span>

#include "emulator/base/assert.h"
#include "emulator/base/bytes.h"

namespace ftvm::unicorn {
namespace {

constexpr std::uint32_t kErrorExternal = 1, kErrorIdt = 2;
constexpr std::uint32_t kDescriptorLong = 1u << 21, kDescriptorDefault32 = 1u << 22;
constexpr std::uint32_t kDescriptorPresent = 1u << 15, kDescriptorNonSystem = 1u << 12;
constexpr std::uint32_t kDescriptorCode = 1u << 11, kDescriptorConforming = 1u << 10;
constexpr std::uint32_t kDescriptorGranularity = 1u << 23;
constexpr unsigned kInterruptGate = 0xe, kTrapGate = 0xf;
constexpr std::uint16_t kTssRsp0 = 4, kTssIst1 = 0x24;

/// An exception raised while another event was being delivered.
struct Nested {
  std::uint8_t vector;
  std::uint32_t error_code;
};

struct Gate {
  std::uint64_t offset;
  std::uint16_t selector;
  unsigned type;
  unsigned dpl;
  unsigned ist;
  bool present;
};

struct Target {
  std::uint32_t low, high;  // Code descriptor.
  unsigned cpl;
  std::uint64_t stack_top;
  bool new_privilege;
};

/// One delivery attempt; every step returns the exception it ran into, if any.
class Attempt {
 public:
  Attempt(RawState state, PageWalker& walker, const Event& event, std::uint64_t rflags)
      : state_(state), walker_(walker), event_(event), rflags_(rflags) {}

  std::optional<Nested> run() {
    Gate gate{};
    if (auto nested = read_gate(&gate)) return nested;
    Target target{};
    if (auto nested = read_target(gate, &target)) return nested;
    if (auto nested = find_stack(gate, &target)) return nested;
    if (auto nested = push_frame(&target)) return nested;
    enter(gate, target);
    return std::nullopt;
  }

 private:
  [[nodiscard]] std::uint32_t external_bit() const {
    return event_.kind == Event::Kind::kSoftware ? 0 : kErrorExternal;
  }
  [[nodiscard]] std::uint32_t idt_error() const {
    return event_.vector * 8u | kErrorIdt | external_bit();
  }
  std::optional<Nested> page_fault(const PageFault& fault) {
    state_.cr(2) = fault.address;
    return Nested{kPageFault, fault.error_code};
  }

  template <std::size_t n>
  std::optional<Nested> read(std::uint64_t address, std::array<std::uint8_t, n>* bytes) {
    if (auto fault = walker_.read(paging_of(state_), address, *bytes)) return page_fault(*fault);
    return std::nullopt;
  }

  std::optional<Nested> read_gate(Gate* gate) {
    const RawSegment& idt = state_.idt();
    if (event_.vector * 16u + 15 > idt.limit) return Nested{kGeneralProtection, idt_error()};
    std::array<std::uint8_t, 16> bytes{};
    if (auto nested = read(idt.base + std::uint64_t{16} * event_.vector, &bytes)) return nested;
    const auto low = load_le<std::uint64_t>(bytes.data());
    const auto high = load_le<std::uint64_t>(bytes.data() + 8);
    gate->offset = (low & 0xffff) | ((low >> 32) & 0xffff'0000) | (high << 32);
    gate->selector = static_cast<std::uint16_t>(low >> 16);
    gate->ist = static_cast<unsigned>(low >> 32) & 7;
    gate->type = static_cast<unsigned>(low >> 40) & 0x1f;
    gate->dpl = static_cast<unsigned>(low >> 45) & 3;
    gate->present = ((low >> 47) & 1) != 0;
    if (gate->type != kInterruptGate && gate->type != kTrapGate) {
      return Nested{kGeneralProtection, idt_error()};
    }
    if (event_.kind == Event::Kind::kSoftware && gate->dpl < state_.cpl()) {
      return Nested{kGeneralProtection, idt_error()};
    }
    if (!gate->present) return Nested{kSegmentNotPresent, idt_error()};
    return std::nullopt;
  }

  std::optional<Nested> read_target(const Gate& gate, Target* target) {
    const std::uint32_t selector_error = (gate.selector & 0xfffcu) | external_bit();
    if ((gate.selector & 0xfffc) == 0) return Nested{kGeneralProtection, external_bit()};
    const bool local = (gate.selector & 4) != 0;
    const RawSegment& table = local ? state_.at<RawSegment>(Offset::kLdt) : state_.gdt();
    const std::uint32_t index = gate.selector & 0xfff8u;
    if (index + 7 > table.limit) return Nested{kGeneralProtection, selector_error};
    std::array<std::uint8_t, 8> bytes{};
    if (auto nested = read(table.base + index, &bytes)) return nested;
    target->low = load_le<std::uint32_t>(bytes.data());
    target->high = load_le<std::uint32_t>(bytes.data() + 4);
    const unsigned dpl = (target->high >> 13) & 3;
    const bool code =
        (target->high & kDescriptorNonSystem) != 0 && (target->high & kDescriptorCode) != 0;
    const bool long_code =
        (target->high & kDescriptorLong) != 0 && (target->high & kDescriptorDefault32) == 0;
    if (!code || !long_code || dpl > state_.cpl())
      return Nested{kGeneralProtection, selector_error};
    if ((target->high & kDescriptorPresent) == 0) return Nested{kSegmentNotPresent, selector_error};
    const bool conforming = (target->high & kDescriptorConforming) != 0;
    target->cpl = conforming ? state_.cpl() : dpl;
    target->new_privilege = target->cpl < state_.cpl();
    return std::nullopt;
  }

  std::optional<Nested> find_stack(const Gate& gate, Target* target) {
    target->stack_top = state_.gpr(kRsp);
    if (gate.ist == 0 && !target->new_privilege) return std::nullopt;
    const std::uint16_t slot = gate.ist != 0
                                   ? static_cast<std::uint16_t>(kTssIst1 + 8 * (gate.ist - 1))
                                   : static_cast<std::uint16_t>(kTssRsp0 + 8 * target->cpl);
    const RawSegment& tss = state_.tr();
    if (slot + 7u > tss.limit)
      return Nested{kInvalidTss, (tss.selector & 0xfffcu) | external_bit()};
    std::array<std::uint8_t, 8> bytes{};
    if (auto nested = read(tss.base + slot, &bytes)) return nested;
    target->stack_top = load_le<std::uint64_t>(bytes.data());
    return std::nullopt;
  }

  std::optional<Nested> push_frame(Target* target) {
    std::array<std::uint64_t, 6> words{};
    std::size_t n = 0;
    const bool has_error =
        event_.kind == Event::Kind::kException && pushes_error_code(event_.vector);
    if (has_error) words[n++] = event_.error_code;
    words[n++] = event_.return_rip;
    words[n++] = state_.segment(kCs).selector;
    words[n++] = rflags_ | (is_fault() ? Rflags::kRf : 0);
    words[n++] = state_.gpr(kRsp);
    words[n++] = state_.segment(kSs).selector;
    std::array<std::uint8_t, 48> frame{};
    for (std::size_t i = 0; i < n; ++i) store_le(frame.data() + 8 * i, words[i]);
    const std::uint64_t top = (target->stack_top & ~15ull) - 8 * n;
    const auto upper = static_cast<std::int64_t>(top) >> 47;
    if (upper != 0 && upper != -1) return Nested{kStackFault, external_bit()};
    if (walker_.write(paging_of(state_), top, std::span(frame).first(8 * n))) {
      // Pushed word by word, from the highest: that decides which address the handler sees.
      for (std::size_t i = n; i-- > 0;) {
        const std::span word = std::span(frame).subspan(8 * i, 8);
        if (auto fault = walker_.write(paging_of(state_), top + 8 * i, word))
          return page_fault(*fault);
      }
    }
    target->stack_top = top;
    return std::nullopt;
  }

  void enter(const Gate& gate, const Target& target) {
    std::uint64_t& flags = state_.system_flags();
    if (gate.type == kInterruptGate) flags &= ~Rflags::kIf;
    flags &= ~(Rflags::kTf | Rflags::kVm | Rflags::kRf | Rflags::kNt);
    if (target.new_privilege) {
      state_.segment(kSs) = RawSegment{target.cpl, 0, 0, 0, target.cpl << 13};
      set_cpl(state_, target.cpl);
    }
    state_.gpr(kRsp) = target.stack_top;
    std::uint32_t limit = (target.low & 0xffff) | (target.high & 0xf0000);
    if ((target.high & kDescriptorGranularity) != 0) limit = (limit << 12) | 0xfff;
    const std::uint64_t base =
        (target.low >> 16) | ((target.high & 0xff) << 16) | (target.high & 0xff000000);
    const auto selector = static_cast<std::uint16_t>((gate.selector & ~3u) | target.cpl);
    load_code_segment(state_, selector, base, limit, target.high);
    state_.rip() = gate.offset;
    state_.hflags() &= ~Hflags::kInhibitIrq;
    state_.forget_exception();
  }

  /// Fault-class exceptions push RF set, so that a breakpoint on the instruction does not hit
  /// again.
  [[nodiscard]] bool is_fault() const {
    if (event_.kind != Event::Kind::kException) return false;
    switch (event_.vector) {
      case kDebug:
      case kNmi:
      case kBreakpoint:
      case kOverflow:
      case kDoubleFault:
      case kMachineCheck:
        return false;
      default:
        return true;
    }
  }

  RawState state_;
  PageWalker& walker_;
  const Event& event_;
  std::uint64_t rflags_;
};

bool is_contributory(std::uint8_t vector) {
  return vector == kDivideError || (vector >= kInvalidTss && vector <= kGeneralProtection);
}

/// SDM volume 3A, table 6-5.
bool makes_double_fault(const Event& first, std::uint8_t second) {
  if (first.kind != Event::Kind::kException) return false;
  if (is_contributory(first.vector)) return is_contributory(second);
  return first.vector == kPageFault && (is_contributory(second) || second == kPageFault);
}

}  // namespace

Delivered deliver(RawState state, PageWalker& walker, const Event& event, std::uint64_t rflags) {
  // Without IA-32e mode there is no way to deliver; refused like a triple fault and named by the
  // caller's diagnostics.
  if (!state.long_mode()) return Delivered::kShutdown;
  Event current = event;
  constexpr int kAttemptsMax = 4;  // Event, fault, double fault, and nothing after that.
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const auto nested = Attempt(state, walker, current, rflags).run();
    if (!nested) return attempt == 0 ? Delivered::kAsked : Delivered::kOther;
    const bool was_exception = current.kind == Event::Kind::kException;
    if (was_exception && current.vector == kDoubleFault) return Delivered::kShutdown;
    const bool double_fault = makes_double_fault(current, nested->vector);
    current =
        Event{.vector = double_fault ? static_cast<std::uint8_t>(kDoubleFault) : nested->vector,
              .kind = Event::Kind::kException,
              .error_code = double_fault ? 0 : nested->error_code,
              .return_rip = event.fault_rip,
              .fault_rip = event.fault_rip};
  }
  return Delivered::kShutdown;
}

void load_code_segment(RawState state, std::uint16_t selector, std::uint64_t base,
                       std::uint32_t limit, std::uint32_t flags) {
  state.segment(kCs) = RawSegment{selector, 0, base, limit, flags};
  std::uint32_t& hflags = state.hflags();
  if ((flags & kDescriptorLong) != 0) {
    hflags |= Hflags::kCs32 | Hflags::kSs32 | Hflags::kCs64;
    hflags &= ~Hflags::kAddSeg;
  } else {
    hflags &= ~(Hflags::kCs32 | Hflags::kCs64);
    if ((flags & kDescriptorDefault32) != 0) hflags |= Hflags::kCs32;
  }
}

void set_cpl(RawState state, unsigned cpl) {
  state.hflags() = (state.hflags() & ~Hflags::kCplMask) | cpl;
}

namespace {

/// Breakpoint `i` is enabled and of the kind that RF suppresses.
bool executes(std::uint64_t dr7, unsigned i) {
  return ((dr7 >> (2 * i)) & 3) != 0 && ((dr7 >> (16 + 4 * i)) & 3) == 0;
}

}  // namespace

bool breakpoints_armed(RawState state) {
  for (unsigned i = 0; i < 4; ++i) {
    if (executes(state.dr(7), i)) return true;
  }
  return false;
}

bool breakpoint_at(RawState state) {
  if ((state.system_flags() & Rflags::kRf) != 0) return false;
  for (unsigned i = 0; i < 4; ++i) {
    if (executes(state.dr(7), i) && state.dr(i) == state.linear_rip()) return true;
  }
  return false;
}

PagingState paging_of(RawState state) {
  return PagingState{.cr0 = state.cr(0), .cr3 = state.cr(3), .efer = state.efer()};
}

}  // namespace ftvm::unicorn
