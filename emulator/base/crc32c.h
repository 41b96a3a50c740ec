// CRC-32C (Castagnoli), the checksum of journal and wire frames. It finds accidents, not attacks.
//
// Source: RFC 3720 (iSCSI), section 12.1 and appendix B.4.
#pragma once

#include <cstdint>
#include <span>

namespace ftvm {

std::uint32_t crc32c(std::span<const std::uint8_t> bytes);

}  // namespace ftvm
