// Instructions that the library gets wrong, done by the engine: port accesses that user code is not
// permitted, which the library lets through, and RDMSR of the time stamp counter, which it does not
// know. A block that holds one is stepped, and the step is taken here.
//
// Source: Intel SDM volume 1, 19.5.2 (I/O permission bit map); volume 4, MSR 10h.
#include <array>

#include "emulator/base/bytes.h"
#include "emulator/unicorn/unicorn_cpu.h"

namespace ftvm::unicorn {
namespace {

constexpr std::uint32_t kMsrTimeStampCounter = 0x10;

/// Refused when set; a fault on the way to the answer comes in `fault`.
bool port_refused(RawState state, PageWalker& walker, unsigned port, unsigned size_bytes,
                  std::optional<PageFault>* fault) {
  constexpr std::uint32_t kTypeMask = 0x9d00, kTss = 0x8900;  // Present, 64 bits, busy or not.
  constexpr std::uint64_t kBitmapBaseAt = 0x66;
  const RawSegment& tss = state.tr();
  if ((tss.flags & kTypeMask) != kTss || tss.limit <= kBitmapBaseAt) return true;
  std::array<std::uint8_t, 2> bytes{};
  *fault = walker.read(paging_of(state), tss.base + kBitmapBaseAt, bytes);
  if (*fault) return true;
  const std::uint64_t at = load_le<std::uint16_t>(bytes.data()) + port / 8;
  if (at + 1 > tss.limit) return true;
  *fault = walker.read(paging_of(state), tss.base + at, bytes);
  if (*fault) return true;
  const unsigned closed = load_le<std::uint16_t>(bytes.data()) >> (port % 8);
  return (closed & ((1u << size_bytes) - 1)) != 0;
}

}  // namespace

bool UnicornCpu::must_be_stepped(RawState state, ByteView block) {
  const bool ports = state.cpl() > state.iopl();
  return holds_stand_in(block, code_size(state), ports) ||
         has_hazard_inside(block, code_size(state));
}

bool UnicornCpu::stand_in(RawState state, ByteView code) {
  if (breakpoint_at(state)) return false;  // Comes first, and from the library.
  if (const auto access = parse_port_access(code, code_size(state)))
    return refuse_port(state, *access);
  if (is_read_msr(code, code_size(state))) return read_msr(state, code);
  return false;
}

bool UnicornCpu::refuse_port(RawState state, const PortAccess& access) {
  if (state.cpl() <= state.iopl()) return false;
  if (access.repeated && state.gpr(kRcx) == 0) return false;
  const unsigned port = access.port.value_or(0) | (access.port ? 0 : state.gpr(kRdx) & 0xffff);
  std::optional<PageFault> fault;
  if (!port_refused(state, walker_, port, access.size_bytes, &fault)) return false;
  hot_.current = &nothing_;
  if (fault) state.cr(2) = fault->address;
  deliver_fault(state, fault ? kPageFault : kGeneralProtection, fault ? fault->error_code : 0);
  return true;
}

bool UnicornCpu::read_msr(RawState state, ByteView code) {
  const bool stepped_over = (state.system_flags() & Rflags::kTf) != 0;  // The library's business.
  const auto msr = static_cast<std::uint32_t>(state.gpr(kRcx));
  if (state.cpl() != 0 || stepped_over || msr != kMsrTimeStampCounter) return false;
  const std::uint64_t tsc = bus_.time_stamp_counter(tick());
  state.gpr(kRax) = static_cast<std::uint32_t>(tsc);
  state.gpr(kRdx) = tsc >> 32;
  state.rip() += instruction_length(code, code_size(state));
  state.hflags() &= ~Hflags::kInhibitIrq;
  state.system_flags() &= ~Rflags::kRf;
  push();
  ++hot_.tick;
  return true;
}

}  // namespace ftvm::unicorn
