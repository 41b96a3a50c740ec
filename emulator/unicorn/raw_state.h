// The CPU state of libunicorn 2.1.x as bytes: the layout behind uc_context, which reaches what the
// register API cannot (hflags, hidden segment caches, the exception in flight, lazy flags).
//
// The offsets are facts about one family of binaries; calibrate() proves them with sentinels at
// start-up, and an engine whose layout differs is refused. Source: measured on libunicorn 2.1.4;
// names as in the SDM volume 3A.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emulator/base/assert.h"

namespace ftvm::unicorn {

/// Byte offsets from the start of the CPU state.
struct Offset {
  static constexpr std::size_t kGpr = 0;
  static constexpr std::size_t kRip = 128;
  static constexpr std::size_t kRflags = 136;  // Without the arithmetic flags and DF.
  static constexpr std::size_t kCcDst = 144;
  static constexpr std::size_t kCcSrc = 152;
  static constexpr std::size_t kCcOp = 168;
  static constexpr std::size_t kDf = 172;  // +1 or -1.
  static constexpr std::size_t kHflags = 176;
  static constexpr std::size_t kSegments = 184;  // ES CS SS DS FS GS, 24 bytes each.
  static constexpr std::size_t kLdt = 328;
  static constexpr std::size_t kTr = 352;
  static constexpr std::size_t kGdt = 376;
  static constexpr std::size_t kIdt = 400;
  static constexpr std::size_t kCr = 424;  // CR0..CR4, 8 bytes each.
  static constexpr std::size_t kEfer = 592;
  static constexpr std::size_t kFpStackTop = 604;
  static constexpr std::size_t kFpStatus = 608;
  static constexpr std::size_t kFpControl = 610;
  static constexpr std::size_t kFpTags = 612;  // 8 bytes, 1 is empty.
  static constexpr std::size_t kFpRegs = 624;  // 8 of 16 bytes, 10 used.
  static constexpr std::size_t kMxcsr = 816;
  static constexpr std::size_t kXmm = 824;  // 64 bytes apart, the low 16 used.
  static constexpr std::size_t kSysenterCs = 4800;
  static constexpr std::size_t kSysenterEsp = 4808;
  static constexpr std::size_t kSysenterEip = 4816;
  static constexpr std::size_t kStar = 4824;
  static constexpr std::size_t kLstar = 4840;
  static constexpr std::size_t kCstar = 4848;
  static constexpr std::size_t kFmask = 4856;
  static constexpr std::size_t kKernelGsBase = 4864;
  static constexpr std::size_t kTscAux = 4896;
  static constexpr std::size_t kXcr0 = 4904;
  static constexpr std::size_t kPat = 5280;
  static constexpr std::size_t kErrorCode = 5384;
  static constexpr std::size_t kExceptionIsInt = 5388;
  static constexpr std::size_t kDr = 5400;           // DR0..DR7, 8 bytes each.
  static constexpr std::size_t kBreakpoints = 5464;  // Host pointers of DR0..DR3.
  static constexpr std::size_t kOldException = 5496;
  static constexpr std::size_t kReturnAddress = 5560;  // Host pointer.
  static constexpr std::size_t kEnd = 5568;            // Of what reset clears and snapshots keep.
};

/// Bits of hflags: CPU mode as the translator sees it.
struct Hflags {
  static constexpr std::uint32_t kCplMask = 3;
  static constexpr std::uint32_t kInhibitIrq = 1u << 3;
  static constexpr std::uint32_t kCs32 = 1u << 4;
  static constexpr std::uint32_t kSs32 = 1u << 5;
  static constexpr std::uint32_t kAddSeg = 1u << 6;
  static constexpr std::uint32_t kPe = 1u << 7;
  static constexpr std::uint32_t kMp = 1u << 9;
  static constexpr std::uint32_t kLma = 1u << 14;
  static constexpr std::uint32_t kCs64 = 1u << 15;
  static constexpr std::uint32_t kOsFxsr = 1u << 22;
};

/// RFLAGS bits (SDM volume 1, 3.4.3).
struct Rflags {
  static constexpr std::uint64_t kArithmetic = 0x8d5;  // CF PF AF ZF SF OF
  static constexpr std::uint64_t kZf = 1u << 6;
  static constexpr std::uint64_t kTf = 1u << 8;
  static constexpr std::uint64_t kIf = 1u << 9;
  static constexpr std::uint64_t kDf = 1u << 10;
  static constexpr unsigned kIoplShift = 12;
  static constexpr std::uint64_t kNt = 1u << 14;
  static constexpr std::uint64_t kRf = 1u << 16;
  static constexpr std::uint64_t kVm = 1u << 17;
};

enum Gpr : unsigned { kRax, kRcx, kRdx, kRbx, kRsp, kRbp, kRsi, kRdi, kR8, kR11 = 11, kR13 = 13 };
enum Segment : unsigned { kEs, kCs, kSs, kDs, kFs, kGs };

/// One segment cache as the library lays it out.
struct RawSegment {
  std::uint32_t selector;
  std::uint32_t padding;
  std::uint64_t base;
  std::uint32_t limit;
  std::uint32_t flags;  // Second descriptor word.
};
static_assert(sizeof(RawSegment) == 24);

/// A view of CPU state bytes; owns nothing. Lifetime: that of the bytes.
class RawState {
 public:
  RawState() = default;
  explicit RawState(std::uint8_t* bytes) : bytes_(bytes) {}
  [[nodiscard]] std::uint8_t* bytes() const { return bytes_; }

  template <class T>
  [[nodiscard]] T& at(std::size_t offset) const {
    return *reinterpret_cast<T*>(bytes_ + offset);  // The library's own struct; aligned by it.
  }
  [[nodiscard]] std::uint64_t& gpr(unsigned i) const {
    return at<std::uint64_t>(Offset::kGpr + std::size_t{8} * i);
  }
  [[nodiscard]] std::uint64_t& rip() const { return at<std::uint64_t>(Offset::kRip); }
  /// System flags only; arithmetic flags and DF live in cc_* and kDf.
  [[nodiscard]] std::uint64_t& system_flags() const { return at<std::uint64_t>(Offset::kRflags); }
  [[nodiscard]] std::uint32_t& hflags() const { return at<std::uint32_t>(Offset::kHflags); }
  [[nodiscard]] RawSegment& segment(unsigned i) const {
    return at<RawSegment>(Offset::kSegments + sizeof(RawSegment) * i);
  }
  [[nodiscard]] RawSegment& tr() const { return at<RawSegment>(Offset::kTr); }
  [[nodiscard]] RawSegment& gdt() const { return at<RawSegment>(Offset::kGdt); }
  [[nodiscard]] RawSegment& idt() const { return at<RawSegment>(Offset::kIdt); }
  [[nodiscard]] std::uint64_t& cr(unsigned i) const {
    return at<std::uint64_t>(Offset::kCr + std::size_t{8} * i);
  }
  [[nodiscard]] std::uint64_t& dr(unsigned i) const {
    return at<std::uint64_t>(Offset::kDr + std::size_t{8} * i);
  }
  [[nodiscard]] std::uint64_t& efer() const { return at<std::uint64_t>(Offset::kEfer); }
  /// Where the library and page tables see the next instruction: blocks are named by it.
  [[nodiscard]] std::uint64_t linear_rip() const { return rip() + segment(kCs).base; }
  [[nodiscard]] unsigned cpl() const { return hflags() & Hflags::kCplMask; }
  [[nodiscard]] unsigned iopl() const {
    return static_cast<unsigned>(system_flags() >> Rflags::kIoplShift) & 3;
  }
  [[nodiscard]] bool interrupts_enabled() const { return (system_flags() & Rflags::kIf) != 0; }
  [[nodiscard]] bool inhibited() const { return (hflags() & Hflags::kInhibitIrq) != 0; }
  [[nodiscard]] bool long_mode() const { return (hflags() & Hflags::kLma) != 0; }
  [[nodiscard]] bool code64() const { return (hflags() & Hflags::kCs64) != 0; }

  /// The form in which the arithmetic flags are kept: by what made them, or as they are, in kCcSrc.
  static constexpr std::uint32_t kCcOpSettled = 1;
  [[nodiscard]] std::uint32_t& cc_op() const { return at<std::uint32_t>(Offset::kCcOp); }

  /// Sets arithmetic flags and DF from a full RFLAGS image, and the system flags too.
  void set_rflags(std::uint64_t rflags) const {
    cc_op() = kCcOpSettled;
    at<std::uint64_t>(Offset::kCcSrc) = rflags & Rflags::kArithmetic;
    at<std::int32_t>(Offset::kDf) = (rflags & Rflags::kDf) != 0 ? -1 : 1;
    system_flags() = (rflags & ~(Rflags::kArithmetic | Rflags::kDf)) | 2;
  }
  /// The exception in flight is ours; without this the library would turn the next one into #DF.
  void forget_exception() const { at<std::int32_t>(Offset::kOldException) = -1; }

 private:
  std::uint8_t* bytes_ = nullptr;
};

}  // namespace ftvm::unicorn
