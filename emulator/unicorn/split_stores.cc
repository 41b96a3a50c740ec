// Stores that the library splits into bytes: those that are not aligned and hit a page with code. A
// byte that hits the running block gives the block up, and the instruction is made again, after
// some of its bytes have been stored already: an ADD to memory would add twice. So all of a store
// is looked at before any of it is done. This is right for every engine, so it does not ask which
// one is running.
//
// Names and signatures are facts of libunicorn 2.1.4 (suffix _x86_64: the x86 target). Where they
// cannot be replaced, the fault stays.
#include <algorithm>
#include <cstdint>

#include "emulator/memory.h"
#include "emulator/unicorn/original.h"

namespace {

using Address = std::uint64_t;

}  // namespace

extern "C" {

// Provided by the library: raises the fault that an access would, and drops what it would
// overwrite.
void* probe_access_x86_64(void* state, Address address, int size_bytes, int access, int mmu_index,
                          std::uintptr_t caller);

}  // extern "C"

namespace {

void look_at_store(void* state, Address address, Address size_bytes, std::uint32_t operation,
                   std::uintptr_t caller) {
  if (address % size_bytes == 0) return;
  constexpr int kWrite = 1;
  const int mmu_index = static_cast<int>(operation & 0xf);
  const Address here = std::min(size_bytes, ftvm::kPageBytes - address % ftvm::kPageBytes);
  probe_access_x86_64(state, address, static_cast<int>(here), kWrite, mmu_index, caller);
  if (here == size_bytes) return;
  const Address rest = size_bytes - here;
  probe_access_x86_64(state, address + here, static_cast<int>(rest), kWrite, mmu_index, caller);
}

}  // namespace

extern "C" {

FTVM_EXPORT void helper_le_stw_mmu_x86_64(void* state, Address address, std::uint16_t value,
                                          std::uint32_t operation, std::uintptr_t caller) {
  FTVM_ORIGINAL(helper_le_stw_mmu_x86_64);
  look_at_store(state, address, sizeof value, operation, caller);
  original(state, address, value, operation, caller);
}

FTVM_EXPORT void helper_le_stl_mmu_x86_64(void* state, Address address, std::uint32_t value,
                                          std::uint32_t operation, std::uintptr_t caller) {
  FTVM_ORIGINAL(helper_le_stl_mmu_x86_64);
  look_at_store(state, address, sizeof value, operation, caller);
  original(state, address, value, operation, caller);
}

FTVM_EXPORT void helper_le_stq_mmu_x86_64(void* state, Address address, std::uint64_t value,
                                          std::uint32_t operation, std::uintptr_t caller) {
  FTVM_ORIGINAL(helper_le_stq_mmu_x86_64);
  look_at_store(state, address, sizeof value, operation, caller);
  original(state, address, value, operation, caller);
}

}  // extern "C"
