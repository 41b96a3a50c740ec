// Digests of state and bytes: XXH3-128, which is fast enough to cover guest RAM and is not a
// security measure. The value is part of the journal format.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace ftvm {

struct Digest {
  /// High word first, as in the canonical form of XXH128.
  std::array<std::uint64_t, 2> words{};
  auto operator<=>(const Digest&) const = default;
  /// 32 lower-case hex digits.
  [[nodiscard]] std::string hex() const;
};

/// Digest of one buffer.
Digest digest_of(std::span<const std::uint8_t> bytes);

/// 64-bit digest of one buffer, for output marks.
std::uint64_t short_digest_of(std::span<const std::uint8_t> bytes);

/// Digest of a stream of buffers; the split into buffers does not matter.
class DigestStream {
 public:
  DigestStream();
  ~DigestStream();
  DigestStream(DigestStream&&) noexcept;
  DigestStream& operator=(DigestStream&&) noexcept;
  void update(std::span<const std::uint8_t> bytes);
  [[nodiscard]] Digest finish() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ftvm
