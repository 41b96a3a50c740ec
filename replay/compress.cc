#include "replay/compress.h"

#include <zstd.h>

#include <string>

#include "emulator/base/assert.h"

namespace ftvm::replay {

Bytes compress(ByteView plain, int level) {
  Bytes packed(ZSTD_compressBound(plain.size()));
  const std::size_t size =
      ZSTD_compress(packed.data(), packed.size(), plain.data(), plain.size(), level);
  FTVM_ASSERT(!ZSTD_isError(size));  // Only a too small buffer or no memory can fail here.
  packed.resize(size);
  return packed;
}

Result<Bytes> decompress(ByteView packed, std::size_t plain_max_bytes) {
  const unsigned long long size = ZSTD_getFrameContentSize(packed.data(), packed.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN) {
    return Error(ErrorCode::kBadData, "not a zstd frame with a content size");
  }
  if (size > plain_max_bytes) {
    return Error(ErrorCode::kBadData, "zstd content of " + std::to_string(size) +
                                          " bytes is over the limit of " +
                                          std::to_string(plain_max_bytes));
  }
  Bytes plain(size);
  const std::size_t got = ZSTD_decompress(plain.data(), plain.size(), packed.data(), packed.size());
  if (ZSTD_isError(got)) {
    return Error(ErrorCode::kBadData, std::string("zstd: ") + ZSTD_getErrorName(got));
  }
  if (got != plain.size())
    return Error(ErrorCode::kBadData, "zstd content is shorter than it says");
  return plain;
}

}  // namespace ftvm::replay
