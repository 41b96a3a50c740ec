// Our definitions of functions that libunicorn also defines. The dynamic linker binds the library's
// own calls to them; the originals are reached with dlsym(RTLD_NEXT). Outside an accelerated engine
// each passes straight through.
//
// Names and signatures are facts of libunicorn 2.1.4 (suffix _x86_64: the x86 target).
#include "emulator/unicorn/interpose.h"

#include <dlfcn.h>

#include <string>

#include "emulator/base/assert.h"
#include "emulator/base/planted_bug.h"
#include "emulator/unicorn/accelerated_cpu.h"
#include "emulator/unicorn/original.h"

using ftvm::unicorn::AcceleratedCpu;

namespace {

struct page_collection;
using Uc = uc_struct*;
using Address = std::uint64_t;

}  // namespace

extern "C" {

// Provided by the library, called by us.
void helper_check_exit_request_x86_64(void* uc, std::uint32_t unused);
void tlb_reset_dirty_x86_64(CPUState* cpu, Address host_begin, Address size_bytes);
void tb_invalidate_phys_range_x86_64(Uc uc, Address begin, Address end);
void cpu_x86_update_dr7_x86_64(void* live_state, std::uint32_t value);
Address tcg_const_i64_x86_64(void* translator, Address value);
Address tcg_temp_new_internal_x86_64(void* translator, int type, int local);
void tcg_gen_op1_x86_64(void* translator, int op, Address a);
void tcg_gen_op3_x86_64(void* translator, int op, Address a, Address b, Address c);
void* gen_new_label_x86_64(void* translator);
void tcg_gen_brcond_i64_x86_64(void* translator, int condition, Address a, Address b, void* label);

// --- dirty tracking: a store is fast exactly when its page holds no translations

FTVM_EXPORT void tlb_protect_code_x86_64(Uc uc, Address ram) {
  FTVM_ORIGINAL(tlb_protect_code_x86_64);
  original(uc, ram);
  AcceleratedCpu* cpu = AcceleratedCpu::active();
  if (cpu != nullptr && cpu->in_ram(ram)) cpu->page_gained_code(ram);
}

FTVM_EXPORT void tlb_unprotect_code_x86_64(Uc uc, Address ram) {
  FTVM_ORIGINAL(tlb_unprotect_code_x86_64);
  original(uc, ram);
  AcceleratedCpu* cpu = AcceleratedCpu::active();
  if (cpu != nullptr && cpu->in_ram(ram)) cpu->page_lost_code(ram);
}

FTVM_EXPORT void tb_invalidate_phys_page_fast_x86_64(Uc uc, page_collection* pages, Address ram,
                                                     int size_bytes, std::uintptr_t caller) {
  FTVM_ORIGINAL(tb_invalidate_phys_page_fast_x86_64);
  if (AcceleratedCpu* cpu = AcceleratedCpu::active()) {
    cpu->last_checked_store = ram;
    if (cpu->in_ram(ram) && !cpu->holds_code(ram)) return;
    if (planted(ftvm::PlantedBug::kStaleTranslation)) return;
  }
  original(uc, pages, ram, size_bytes, caller);
}

// Called behind the function above, for the same store: makes the page's stores fast.
FTVM_EXPORT void tlb_set_dirty_x86_64(CPUState* state, Address address) {
  FTVM_ORIGINAL(tlb_set_dirty_x86_64);
  if (AcceleratedCpu* cpu = AcceleratedCpu::active()) {
    const Address ram = cpu->last_checked_store;
    if (cpu->in_ram(ram) && cpu->holds_code(ram)) return;
  }
  original(state, address);
}

FTVM_EXPORT void tlb_reset_dirty_by_vaddr_x86_64(CPUState* state, Address begin,
                                                 Address size_bytes) {
  FTVM_ORIGINAL(tlb_reset_dirty_by_vaddr_x86_64);
  if (AcceleratedCpu::active() == nullptr) original(state, begin, size_bytes);
}

// --- counting inside generated code

FTVM_EXPORT void tcg_gen_callN_x86_64(void* translator, void* function, void* result, int count,
                                      void** arguments) {
  FTVM_ORIGINAL(tcg_gen_callN_x86_64);
  if (AcceleratedCpu* cpu = AcceleratedCpu::active()) {
    // Only the limit ends a run, so the check behind every load and store is not needed.
    if (function == reinterpret_cast<void*>(&helper_check_exit_request_x86_64)) return;
    if (function == AcceleratedCpu::limit_function() && count != 1) {
      cpu->emit_count(translator, result);
      return;
    }
  }
  original(translator, function, result, count, arguments);
}

FTVM_EXPORT void check_exit_request_x86_64(void* translator) {
  FTVM_ORIGINAL(check_exit_request_x86_64);
  if (AcceleratedCpu::active() == nullptr) original(translator);
}

FTVM_EXPORT std::uint8_t* tb_gen_code_x86_64(CPUState* state, Address pc, Address cs_base,
                                             std::uint32_t flags, int cflags) {
  FTVM_ORIGINAL(tb_gen_code_x86_64);
  AcceleratedCpu* cpu = AcceleratedCpu::active();
  if (cpu != nullptr) {
    cpu->cpu_state = state;
    cpu->translation_begins();
  }
  std::uint8_t* block = original(state, pc, cs_base, flags, cflags);
  if (cpu != nullptr) cpu->translation_ends(block);
  return block;
}

FTVM_EXPORT void tb_flush_x86_64(CPUState* state) {
  FTVM_ORIGINAL(tb_flush_x86_64);
  if (AcceleratedCpu* cpu = AcceleratedCpu::active()) cpu->translations_flushed();
  original(state);
}

// --- blocks given up by self-modifying code

[[noreturn]] FTVM_EXPORT void cpu_loop_exit_noexc_x86_64(CPUState* state) {
  FTVM_ORIGINAL(cpu_loop_exit_noexc_x86_64);
  if (AcceleratedCpu* cpu = AcceleratedCpu::active()) cpu->block_abandoned();
  original(state);
  __builtin_trap();
}

}  // extern "C"

namespace ftvm::unicorn {

Status check_replaced(std::initializer_list<Replaced> replaced) {
  for (const Replaced& r : replaced) {
    if (dlsym(RTLD_DEFAULT, r.name) != r.ours || dlsym(RTLD_NEXT, r.name) == nullptr) {
      return Error(ErrorCode::kUnsupported,
                   "libunicorn's " + std::string(r.name) + " cannot be replaced");
    }
  }
  return {};
}

Status check_interposition() {
  return check_replaced({
      {"tlb_protect_code_x86_64", reinterpret_cast<void*>(&tlb_protect_code_x86_64)},
      {"tlb_unprotect_code_x86_64", reinterpret_cast<void*>(&tlb_unprotect_code_x86_64)},
      {"tb_invalidate_phys_page_fast_x86_64",
       reinterpret_cast<void*>(&tb_invalidate_phys_page_fast_x86_64)},
      {"tlb_set_dirty_x86_64", reinterpret_cast<void*>(&tlb_set_dirty_x86_64)},
      {"tlb_reset_dirty_by_vaddr_x86_64",
       reinterpret_cast<void*>(&tlb_reset_dirty_by_vaddr_x86_64)},
      {"tcg_gen_callN_x86_64", reinterpret_cast<void*>(&tcg_gen_callN_x86_64)},
      {"check_exit_request_x86_64", reinterpret_cast<void*>(&check_exit_request_x86_64)},
      {"tb_gen_code_x86_64", reinterpret_cast<void*>(&tb_gen_code_x86_64)},
      {"tb_flush_x86_64", reinterpret_cast<void*>(&tb_flush_x86_64)},
      {"cpu_loop_exit_noexc_x86_64", reinterpret_cast<void*>(&cpu_loop_exit_noexc_x86_64)},
  });
}

void leave_generated_code(uc_struct* uc) {
  helper_check_exit_request_x86_64(uc, 0);
  __builtin_trap();
}

void check_stores_to(CPUState* cpu, const std::uint8_t* begin, std::size_t size_bytes) {
  tlb_reset_dirty_x86_64(cpu, reinterpret_cast<Address>(begin), size_bytes);
}

void make_stores_fast(CPUState* cpu, std::uint64_t page) {
  static auto* const set_dirty =
      next_definition<decltype(tlb_set_dirty_x86_64)>("tlb_set_dirty_x86_64");
  set_dirty(cpu, page);
}

void invalidate_translations(uc_struct* uc, std::uint64_t begin, std::uint64_t end) {
  tb_invalidate_phys_range_x86_64(uc, begin, end);
}

void move_to_dr7(std::uint8_t* live_state, std::uint64_t value) {
  cpu_x86_update_dr7_x86_64(live_state, static_cast<std::uint32_t>(value));
}

// Temporaries are pointers to the operation writer, and offsets from the translator to the calls of
// the front end.
TcgWriter::Handle TcgWriter::constant(const void* pointer) const {
  return reinterpret_cast<Handle>(translator_) +
         tcg_const_i64_x86_64(translator_, reinterpret_cast<Address>(pointer));
}

TcgWriter::Handle TcgWriter::temporary(int type) const {
  return tcg_temp_new_internal_x86_64(translator_, type, 0);
}

void TcgWriter::operation(int op, Handle a, Handle b, std::uint64_t c) const {
  tcg_gen_op3_x86_64(translator_, op, a, b, c);
}

void TcgWriter::unless(int condition, Handle a, Handle b, int set_label_op,
                       const std::function<void()>& body) const {
  const auto base = reinterpret_cast<Handle>(translator_);
  auto* label = static_cast<std::uint32_t*>(gen_new_label_x86_64(translator_));
  tcg_gen_brcond_i64_x86_64(translator_, condition, a - base, b - base, label);
  body();
  *label |= 1;  // "Present": the first bit of the label.
  tcg_gen_op1_x86_64(translator_, set_label_op, reinterpret_cast<Address>(label));
}

void TcgWriter::call(void* function, void* result, const void* argument) const {
  Handle arguments[1] = {constant(argument)};
  tcg_gen_callN_x86_64(translator_, function, result, 1, reinterpret_cast<void**>(arguments));
}

}  // namespace ftvm::unicorn
