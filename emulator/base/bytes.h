// Little-endian reading and writing of byte buffers with every bound checked.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

namespace ftvm {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

/// Unaligned little-endian load. The caller has checked the bound.
template <std::unsigned_integral T>
T load_le(const std::uint8_t* from) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    value |= static_cast<T>(static_cast<T>(from[i]) << (8 * i));
  return value;
}
template <std::unsigned_integral T>
void store_le(std::uint8_t* to, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) to[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

/// Appends to a buffer it borrows.
class ByteWriter {
 public:
  explicit ByteWriter(Bytes& out) : out_(out) {}
  template <std::unsigned_integral T>
  void put(T value) {
    const std::size_t at = out_.size();
    out_.resize(at + sizeof(T));
    store_le(out_.data() + at, value);
  }
  void put_bytes(ByteView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }

 private:
  Bytes& out_;
};

/// Walks a view it borrows; nothing is ever read past its end.
class ByteReader {
 public:
  explicit ByteReader(ByteView in) : in_(in) {}
  template <std::unsigned_integral T>
  std::optional<T> get() {
    if (in_.size() - at_ < sizeof(T)) return std::nullopt;
    const T value = load_le<T>(in_.data() + at_);
    at_ += sizeof(T);
    return value;
  }
  std::optional<ByteView> get_bytes(std::size_t size) {
    if (in_.size() - at_ < size) return std::nullopt;
    const ByteView view = in_.subspan(at_, size);
    at_ += size;
    return view;
  }
  [[nodiscard]] std::size_t position() const { return at_; }
  [[nodiscard]] std::size_t remaining() const { return in_.size() - at_; }

 private:
  ByteView in_;
  std::size_t at_ = 0;
};

}  // namespace ftvm
