#include "emulator/boot/flat_loader.h"

#include <cstring>
#include <string>

#include "emulator/boot/long_mode.h"

namespace ftvm::boot {

static_assert(kFlatStackTop > kPageTablesEnd, "the stack has room above the page tables");

Status load_flat(ByteView image, GuestMemory& memory, Cpu& cpu) {
  const std::uint64_t room_bytes = memory.size_bytes() - kFlatImageAt;
  if (image.empty()) return Error(ErrorCode::kBadData, "flat image: empty");
  if (image.size() > room_bytes) {
    return Error(ErrorCode::kBadData, "flat image: " + std::to_string(image.size()) +
                                          " bytes do not fit; there is room for " +
                                          std::to_string(room_bytes));
  }
  std::memcpy(memory.data() + kFlatImageAt, image.data(), image.size());
  enter_long_mode({.rip = kFlatImageAt, .rsp = kFlatStackTop}, memory, cpu);
  return {};
}

}  // namespace ftvm::boot
