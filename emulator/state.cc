// The three visitors. The saved form has no names and no padding: what it means is fixed by the
// order of visit_state, and the frame around it carries version and checksum.
#include "emulator/state.h"

#include <limits>

#include "emulator/base/assert.h"
#include "emulator/base/digest.h"
#include "emulator/base/hex.h"

namespace ftvm {
namespace {

/// Longer blobs are shown as length and digest.
constexpr std::size_t kShownBytesMax = 32;

std::string path_of(const std::vector<std::string_view>& groups, std::string_view name) {
  std::string path;
  for (const std::string_view group : groups) path.append(group).append(".");
  return path.append(name);
}

constexpr bool is_scalar_size(unsigned size_bytes) {
  return size_bytes == 1 || size_bytes == 2 || size_bytes == 4 || size_bytes == 8;
}

}  // namespace

void StateSaver::scalar(std::string_view, std::uint64_t& value, unsigned size_bytes) {
  FTVM_ASSERT(is_scalar_size(size_bytes));
  FTVM_ASSERT(size_bytes == 8 || value >> (8 * size_bytes) == 0);
  std::uint8_t bytes[8];
  store_le(bytes, value);
  writer_.put_bytes(ByteView(bytes).first(size_bytes));
}

void StateSaver::blob(std::string_view, Bytes& value, std::size_t max_bytes) {
  FTVM_ASSERT(value.size() <= max_bytes);
  FTVM_ASSERT(value.size() <= std::numeric_limits<std::uint32_t>::max());
  writer_.put(static_cast<std::uint32_t>(value.size()));
  writer_.put_bytes(value);
}

void StateLoader::scalar(std::string_view name, std::uint64_t& value, unsigned size_bytes) {
  FTVM_ASSERT(is_scalar_size(size_bytes));
  if (!error_.empty()) return;
  const auto bytes = reader_.get_bytes(size_bytes);
  if (!bytes) return fail(name, "state is too short");
  value = 0;
  for (unsigned i = 0; i < size_bytes; ++i) value |= std::uint64_t{(*bytes)[i]} << (8 * i);
}

void StateLoader::blob(std::string_view name, Bytes& value, std::size_t max_bytes) {
  if (!error_.empty()) return;
  const auto size = reader_.get<std::uint32_t>();
  if (!size) return fail(name, "state is too short");
  // Before anything is allocated: the length is not to be trusted.
  if (*size > max_bytes) return fail(name, "longer than it may be");
  const auto bytes = reader_.get_bytes(*size);
  if (!bytes) return fail(name, "state is too short");
  value.assign(bytes->begin(), bytes->end());
}

void StateLoader::check(std::string_view name, bool holds) {
  if (!holds && error_.empty()) fail(name, "value out of range");
}

void StateLoader::fail(std::string_view name, std::string_view why) {
  error_ = path_of(groups_, name).append(": ").append(why);
}

Status StateLoader::finish() {
  if (error_.empty() && reader_.remaining() > 0) {
    error_ = "state is too long: " + std::to_string(reader_.remaining()) + " bytes left over";
  }
  if (!error_.empty()) return Error(ErrorCode::kBadData, error_);
  return {};
}

void StatePrinter::enter(std::string_view group) {
  groups_.push_back(group);
}
void StatePrinter::leave() {
  groups_.pop_back();
}

void StatePrinter::add(std::string_view name, std::string value) {
  lines_.push_back({.name = path_of(groups_, name), .value = std::move(value)});
}

void StatePrinter::scalar(std::string_view name, std::uint64_t& value, unsigned size_bytes) {
  add(name, "0x" + hex(value, 2 * size_bytes));
}

void StatePrinter::blob(std::string_view name, Bytes& value, std::size_t) {
  if (value.size() > kShownBytesMax) {
    return add(name, std::to_string(value.size()) + " bytes, xxh128 " + digest_of(value).hex());
  }
  add(name, hex(value));
}

}  // namespace ftvm
