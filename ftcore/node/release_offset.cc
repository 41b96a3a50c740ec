#include "ftcore/node/release_offset.h"

#include "emulator/base/assert.h"

namespace ftvm::ftcore {
namespace {

std::uint64_t console_bytes_of(const Output& output) {
  return output.endpoint == Endpoint::kConsole ? output.bytes.size() : 0;
}

}  // namespace

void ReleaseOffset::emitted(const Output& output) {
  emitted_ += console_bytes_of(output);
}

void ReleaseOffset::decided(const Action& action) {
  const auto* release = std::get_if<Release>(&action);
  if (!of_backup_ || release == nullptr || first_) return;
  first_ = emitted_;
  for (const Output& output : release->outputs) *first_ -= console_bytes_of(output);
}

std::uint64_t ReleaseOffset::first() const {
  if (!of_backup_) return started_;
  FTVM_ASSERT(first_.has_value());
  return *first_;
}

}  // namespace ftvm::ftcore
