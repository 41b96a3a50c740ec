// The CPUID leaves the guest sees: a constant table, so that two libraries or two hosts never give
// a guest different features. Modelled on the QEMU64 CPU the engine implements, without what would
// break determinism or is not modelled: RDRAND, RDSEED, APIC, x2APIC, MTRR, MCE, MCA, MONITOR, SVM.
//
// Source: Intel SDM volume 2A, CPUID; AMD64 APM volume 3, appendix E (8000'0000h leaves).
#pragma once

#include <array>
#include <cstdint>

namespace ftvm::unicorn {

struct CpuidLeaf {
  std::uint32_t eax, ebx, ecx, edx;
};

constexpr std::uint32_t kCpuidMaxBasic = 0xd;
constexpr std::uint32_t kCpuidMaxExtended = 0x8000'000a;

/// Never fails: unknown leaves are zero, leaves above the basic maximum repeat nothing.
constexpr CpuidLeaf cpuid(std::uint32_t leaf, std::uint32_t subleaf) {
  constexpr std::uint32_t kAuth = 0x68747541, kEnti = 0x69746e65, kCamd = 0x444d4163;
  switch (leaf) {
    case 0:
      return {kCpuidMaxBasic, kAuth, kCamd, kEnti};
    case 1:  // Family 6 model 6 stepping 3; SSE3 and CX16; FPU..SSE2 without APIC, MTRR, MCE, MCA.
      return {0x663, 0x800, 0x2001, 0x078b'a97d};
    case 2:
      return {1, 0, 0, 0x002c'307d};
    case 4: {
      constexpr std::array<CpuidLeaf, 3> kCaches{{{0x121, 0x01c0'003f, 0x3f, 1},
                                                  {0x122, 0x01c0'003f, 0x3f, 1},
                                                  {0x143, 0x03c0'003f, 0xfff, 1}}};
      return subleaf < kCaches.size() ? kCaches[subleaf] : CpuidLeaf{};
    }
    case 0x8000'0000:
      return {kCpuidMaxExtended, kAuth, kCamd, kEnti};
    case 0x8000'0001:  // LAHF64; SYSCALL, NX, long mode.
      return {0x663, 0, 1, 0x2193'a97d};
    case 0x8000'0002:  // "ftvm virtual x86-64 processor"
      return {0x6d767466, 0x72697620, 0x6c617574, 0x36387820};
    case 0x8000'0003:
      return {0x2034362d, 0x636f7270, 0x6f737365, 0x00000072};
    case 0x8000'0005:
      return {0x01ff'01ff, 0x01ff'01ff, 0x4002'0140, 0x4002'0140};
    case 0x8000'0006:
      return {0, 0x4200'4200, 0x0200'8140, 0};
    case 0x8000'0007:  // The time stamp counter runs at a constant rate.
      return {0, 0, 0, 0x100};
    case 0x8000'0008:  // 40 physical, 48 virtual address bits.
      return {0x3028, 0, 0, 0};
    default:
      return {};
  }
}

}  // namespace ftvm::unicorn
