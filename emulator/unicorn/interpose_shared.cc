// What a guest can tell of how the library works, made the same for both engines: what its TLB
// holds, where its blocks end, and so which pages it fetches and what PUSHF sees, and what it runs
// that a CPU refuses.
// An engine for which a name cannot be replaced, or whose blocks do not end where they should
// (calibrate_blocks), goes on without, and says so.
//
// Names, signatures and the two structs of the translator are facts of libunicorn 2.1.4 (suffix
// _x86_64: the x86 target).
#include "emulator/unicorn/accelerated_cpu.h"
#include "emulator/unicorn/interpose.h"
#include "emulator/unicorn/original.h"

using ftvm::unicorn::AcceleratedCpu;
using ftvm::unicorn::EngineScope;
using ftvm::unicorn::GuestTlb;
using ftvm::unicorn::UnicornCpu;

namespace {

using Address = std::uint64_t;

constexpr Address page_of(Address address) {
  return address & ~(ftvm::kPageBytes - 1);
}

/// The TLB that the guest sees, or null while the library works for the engine alone.
GuestTlb* guest_tlb() {
  UnicornCpu* cpu = EngineScope::active();
  return cpu != nullptr ? cpu->guest_tlb() : nullptr;
}

}  // namespace

extern "C" {

// --- the TLB

FTVM_EXPORT void tlb_set_page_with_attrs_x86_64(CPUState* state, Address address, Address physical,
                                                std::uint32_t attributes, int protection,
                                                int mmu_index, Address size_bytes) {
  FTVM_ORIGINAL(tlb_set_page_with_attrs_x86_64);
  const UnicornCpu* active = EngineScope::active();
  const int kept = active != nullptr ? active->kept_protection(protection) : protection;
  original(state, address, physical, attributes, kept, mmu_index, size_bytes);
  GuestTlb* tlb = guest_tlb();
  if (tlb == nullptr) return;
  const GuestTlb::Translation translation{.page = page_of(address),
                                          .physical = physical,
                                          .attributes = attributes,
                                          .protection = protection,
                                          .mmu_index = mmu_index,
                                          .size_bytes = size_bytes};
  tlb->insert(translation);
  if (AcceleratedCpu* cpu = AcceleratedCpu::active()) cpu->entered_tlb(state, translation);
}

FTVM_EXPORT void tlb_flush_x86_64(CPUState* state) {
  FTVM_ORIGINAL(tlb_flush_x86_64);
  original(state);
  if (GuestTlb* tlb = guest_tlb()) tlb->forget_all();
}

FTVM_EXPORT void tlb_flush_page_x86_64(CPUState* state, Address address) {
  FTVM_ORIGINAL(tlb_flush_page_x86_64);
  if (GuestTlb* tlb = guest_tlb()) {
    if (tlb->in_large_page(address)) {
      tlb_flush_x86_64(state);
      return;
    }
    tlb->forget(page_of(address));
  }
  original(state, address);
}

// The library's TLB misses. `access` is 0 to read, 1 to write, 2 to execute.
FTVM_EXPORT bool x86_cpu_tlb_fill_x86_64(CPUState* state, Address address, int size, int access,
                                         int mmu_index, bool probe, std::uintptr_t caller) {
  FTVM_ORIGINAL(x86_cpu_tlb_fill_x86_64);
  if (UnicornCpu* cpu = EngineScope::active()) cpu->tlb_miss_is_fetch(access == 2);
  if (GuestTlb* tlb = guest_tlb()) {
    const auto* known = tlb->find(page_of(address), mmu_index);
    if (known != nullptr && ((known->protection >> access) & 1) != 0) {
      const auto t = *known;
      tlb_set_page_with_attrs_x86_64(state, t.page, t.physical, t.attributes, t.protection,
                                     mmu_index, t.size_bytes);
      return true;
    }
    if (known == nullptr && tlb->full()) tlb_flush_x86_64(state);
  }
  return original(state, address, size, access, mmu_index, probe, caller);
}

// --- blocks end with their page: what a block fetches does not depend on where the one before
// ended

/// The library's table of functions that translate, and its progress through a block.
struct TranslatorFunctions {
  void* before[4];
  void (*translate_instruction)(void* progress, CPUState* state);
  void* behind[2];
};
struct TranslatorProgress {
  void* block;
  Address begin, next;
  int next_is_elsewhere, instructions, instructions_max;
};

FTVM_EXPORT void translator_loop_x86_64(const TranslatorFunctions* functions,
                                        TranslatorProgress* progress, CPUState* state, void* block,
                                        int instructions_max) {
  FTVM_ORIGINAL(translator_loop_x86_64);
  if (EngineScope::active() == nullptr) {
    original(functions, progress, state, block, instructions_max);
    return;
  }
  EngineScope::active()->translation_of_block_begins();
  static thread_local auto* translate = functions->translate_instruction;
  translate = functions->translate_instruction;
  TranslatorFunctions ours = *functions;
  ours.translate_instruction = [](void* in_progress, CPUState* cpu_state) {
    auto* p = static_cast<TranslatorProgress*>(in_progress);
    UnicornCpu& cpu = *EngineScope::active();
    const Address begin = p->next;
    cpu.instruction_begins(begin);
    translate(in_progress, cpu_state);
    cpu.instruction_ends(begin, &p->next);
    // An instruction that may reach into the next page begins a block of its own.
    const bool other_page = page_of(p->next) != page_of(p->begin);
    const Address left_bytes = ftvm::kPageBytes - p->next % ftvm::kPageBytes;
    if (other_page || left_bytes < ftvm::unicorn::kInstructionBytesMax ||
        cpu.begins_block(p->next)) {
      p->instructions_max = p->instructions;
    }
  };
  original(&ours, progress, state, block, instructions_max);
}

// --- opcodes that a CPU refuses

FTVM_EXPORT Address get_page_addr_code_x86_64(void* state, Address address) {
  FTVM_ORIGINAL(get_page_addr_code_x86_64);
  if (AcceleratedCpu* cpu = AcceleratedCpu::active()) cpu->state_seen(state);
  const Address ram = original(state, address);
  if (UnicornCpu* cpu = EngineScope::active()) cpu->code_found(address, ram);
  return ram;
}

// What the translator reads, one byte at a time.
FTVM_EXPORT std::uint32_t cpu_ldub_code_x86_64(void* state, Address address) {
  FTVM_ORIGINAL(cpu_ldub_code_x86_64);
  const std::uint32_t byte = original(state, address);
  const UnicornCpu* cpu = EngineScope::active();
  return cpu != nullptr ? cpu->fetched(address, byte) : byte;
}

// --- flags

// PUSHF clears RF and VM in what it pushes (SDM volume 2, PUSHF). The library leaves RF, which it
// clears late: a guest would see where its blocks end.
FTVM_EXPORT Address helper_read_eflags_x86_64(void* cpu_state) {
  constexpr Address kRf = 1u << 16, kVm = 1u << 17;
  FTVM_ORIGINAL(helper_read_eflags_x86_64);
  return original(cpu_state) & ~(kRf | kVm);
}

}  // extern "C"

namespace ftvm::unicorn {

Status check_shared_interposition() {
  return check_replaced({
      {"tlb_set_page_with_attrs_x86_64", reinterpret_cast<void*>(&tlb_set_page_with_attrs_x86_64)},
      {"tlb_flush_x86_64", reinterpret_cast<void*>(&tlb_flush_x86_64)},
      {"tlb_flush_page_x86_64", reinterpret_cast<void*>(&tlb_flush_page_x86_64)},
      {"x86_cpu_tlb_fill_x86_64", reinterpret_cast<void*>(&x86_cpu_tlb_fill_x86_64)},
      {"translator_loop_x86_64", reinterpret_cast<void*>(&translator_loop_x86_64)},
      {"get_page_addr_code_x86_64", reinterpret_cast<void*>(&get_page_addr_code_x86_64)},
      {"cpu_ldub_code_x86_64", reinterpret_cast<void*>(&cpu_ldub_code_x86_64)},
      {"helper_read_eflags_x86_64", reinterpret_cast<void*>(&helper_read_eflags_x86_64)},
  });
}

}  // namespace ftvm::unicorn
