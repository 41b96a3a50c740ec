// Digests through libxxhash, the only file that knows it.
//
// Source: xxHash specification 0.1.1; the canonical form of XXH128 prints the high word first.
#include "emulator/base/digest.h"

#include <xxhash.h>

#include "emulator/base/assert.h"
#include "emulator/base/hex.h"

namespace ftvm {
namespace {

Digest to_digest(XXH128_hash_t hash) {
  return {{hash.high64, hash.low64}};
}

}  // namespace

std::string Digest::hex() const {
  return ftvm::hex(words[0], 16) + ftvm::hex(words[1], 16);
}

Digest digest_of(std::span<const std::uint8_t> bytes) {
  return to_digest(XXH3_128bits(bytes.data(), bytes.size()));
}

std::uint64_t short_digest_of(std::span<const std::uint8_t> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

struct DigestStream::Impl {
  XXH3_state_t* state = XXH3_createState();
  ~Impl() { XXH3_freeState(state); }
};

DigestStream::DigestStream() : impl_(std::make_unique<Impl>()) {
  FTVM_ASSERT(impl_->state != nullptr);
  FTVM_ASSERT(XXH3_128bits_reset(impl_->state) == XXH_OK);
}
DigestStream::~DigestStream() = default;
DigestStream::DigestStream(DigestStream&&) noexcept = default;
DigestStream& DigestStream::operator=(DigestStream&&) noexcept = default;

void DigestStream::update(std::span<const std::uint8_t> bytes) {
  // Some versions refuse a null pointer even with no bytes behind it.
  if (bytes.empty()) return;
  FTVM_ASSERT(XXH3_128bits_update(impl_->state, bytes.data(), bytes.size()) == XXH_OK);
}

Digest DigestStream::finish() const {
  return to_digest(XXH3_128bits_digest(impl_->state));
}

}  // namespace ftvm
