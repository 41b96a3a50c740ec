// Two ways to the same number: the SSE4.2 instruction, which divides by exactly this polynomial,
// and a table for processors without it. Debian 12 has no library for this, and it is short.
//
// Source: Intel SDM volume 2, CRC32; RFC 3720 appendix B.4 for the vectors in the test.
#include "emulator/base/crc32c.h"

#include <array>

#include "emulator/base/bytes.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace ftvm {
namespace {

constexpr std::uint32_t kPolynomialReflected = 0x82f63b78;

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomialReflected : 0);
    table[byte] = crc;
  }
  return table;
}
constexpr std::array<std::uint32_t, 256> kTable = make_table();

constexpr std::uint32_t with_table(std::uint32_t crc, std::span<const std::uint8_t> bytes) {
  for (const std::uint8_t byte : bytes) crc = (crc >> 8) ^ kTable[(crc ^ byte) & 0xff];
  return crc;
}

// The check value every catalogue of CRCs lists: CRC-32C of "123456789".
constexpr std::array<std::uint8_t, 9> kCheckInput = {'1', '2', '3', '4', '5', '6', '7', '8', '9'};
static_assert(~with_table(~0u, kCheckInput) == 0xe3069283);

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t with_instruction(
    std::uint32_t crc, std::span<const std::uint8_t> bytes) {
  std::uint64_t wide = crc;
  while (bytes.size() >= 8) {
    wide = _mm_crc32_u64(wide, load_le<std::uint64_t>(bytes.data()));
    bytes = bytes.subspan(8);
  }
  crc = static_cast<std::uint32_t>(wide);
  for (const std::uint8_t byte : bytes) crc = _mm_crc32_u8(crc, byte);
  return crc;
}
#endif

}  // namespace

std::uint32_t crc32c(std::span<const std::uint8_t> bytes) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return ~with_instruction(~0u, bytes);
#endif
  return ~with_table(~0u, bytes);
}

}  // namespace ftvm
