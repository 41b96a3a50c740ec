// Opening the library, proving its layout, and the callbacks it makes into the shared engine.
#include <unicorn/unicorn.h>

#include <cstring>
#include <string>

#include "emulator/unicorn/cpuid.h"
#include "emulator/unicorn/unicorn_cpu.h"

namespace ftvm::unicorn {
namespace {

constexpr unsigned kVersionMin = 0x02'01'04'00;  // Major, minor, patch, extra.
/// That of which the accelerated engine knows what no header promises. Another one, when it has run
/// the guest corpus on both engines.
constexpr unsigned kVersionProved = kVersionMin;

Error library_error(std::string_view what, uc_err error) {
  return {ErrorCode::kUnsupported, std::string(what) + ": libunicorn says: " + uc_strerror(error)};
}

std::uint64_t open_bus_read(uc_engine*, std::uint64_t, unsigned size_bytes, void*) {
  return size_bytes >= 8 ? ~0ull : (1ull << (8 * size_bytes)) - 1;
}
void open_bus_write(uc_engine*, std::uint64_t, unsigned, std::uint64_t, void*) {}

}  // namespace

/// The library's callbacks; user data is the engine.
struct Hooks {
  static UnicornCpu& cpu(void* user) { return *static_cast<UnicornCpu*>(user); }

  static void on_interrupt(uc_engine*, std::uint32_t vector, void* user) {
    cpu(user).account_exception(vector);
  }
  static bool on_invalid(uc_engine*, void* user) {
    cpu(user).account_invalid_opcode();
    return true;
  }
  static std::uint32_t on_in(uc_engine*, std::uint32_t port, int size, void* user) {
    return cpu(user).port_in(static_cast<std::uint16_t>(port), static_cast<unsigned>(size));
  }
  static void on_out(uc_engine*, std::uint32_t port, int size, std::uint32_t value, void* user) {
    cpu(user).port_out(static_cast<std::uint16_t>(port), static_cast<unsigned>(size), value);
  }
  static void on_syscall(uc_engine*, void* user) { cpu(user).enter_syscall(); }
  static void on_sysenter(uc_engine*, void* user) { cpu(user).enter_sysenter(); }

  static int on_cpuid(uc_engine* uc, void*) {
    std::uint64_t rax = 0, rcx = 0;
    uc_reg_read(uc, UC_X86_REG_RAX, &rax);
    uc_reg_read(uc, UC_X86_REG_RCX, &rcx);
    const CpuidLeaf leaf = cpuid(static_cast<std::uint32_t>(rax), static_cast<std::uint32_t>(rcx));
    write(uc, UC_X86_REG_RAX, leaf.eax);
    write(uc, UC_X86_REG_RBX, leaf.ebx);
    write(uc, UC_X86_REG_RCX, leaf.ecx);
    write(uc, UC_X86_REG_RDX, leaf.edx);
    return 1;
  }
  static int on_rdtsc(uc_engine* uc, void* user) {
    UnicornCpu& self = cpu(user);
    const std::uint64_t tsc = self.bus_.time_stamp_counter(self.access_tick());
    write(uc, UC_X86_REG_RAX, static_cast<std::uint32_t>(tsc));
    write(uc, UC_X86_REG_RDX, tsc >> 32);
    return 1;
  }
  static int on_rdtscp(uc_engine* uc, void* user) {
    on_rdtsc(uc, user);
    write(uc, UC_X86_REG_RCX,
          static_cast<std::uint32_t>(cpu(user).pull().at<std::uint64_t>(Offset::kTscAux)));
    return 1;
  }

 private:
  static void write(uc_engine* uc, int reg, std::uint64_t value) { uc_reg_write(uc, reg, &value); }
};

std::uint32_t UnicornCpu::port_in(std::uint16_t port, unsigned size_bytes) {
  return bus_.port_read(port, size_bytes, access_tick());
}
void UnicornCpu::port_out(std::uint16_t port, unsigned size_bytes, std::uint32_t value) {
  bus_.port_write(port, size_bytes, value, access_tick());
}

std::string version_text(unsigned version) {
  return std::to_string(version >> 24) + "." + std::to_string((version >> 16) & 0xff) + "." +
         std::to_string((version >> 8) & 0xff);
}

Status check_library_version(EngineKind engine, unsigned version) {
  const std::string name = "libunicorn " + version_text(version);
  if (version < kVersionMin) {
    return Error(ErrorCode::kUnsupported,
                 name + " is too old: 2.1.4 or newer is needed; run ./dev setup");
  }
  if (engine == EngineKind::kAccelerated && version >> 8 != kVersionProved >> 8) {
    return Error(ErrorCode::kUnsupported, "accelerated engine: it is proved on libunicorn " +
                                              version_text(kVersionProved) + ", this is " + name);
  }
  return {};
}

Status UnicornCpu::open(const CpuOptions& options) {
  FTVM_TRY(check_library_version(EngineKind::kPortable, uc_version(nullptr, nullptr)));
  const EngineScope scope(*this);
  if (const uc_err e = uc_open(UC_ARCH_X86, UC_MODE_64, &uc_)) return library_error("uc_open", e);
  const auto check = [](std::string_view what, uc_err e) -> Status {
    if (e != UC_ERR_OK) return library_error(what, e);
    return {};
  };
  FTVM_TRY(check("CPU model", uc_ctl_set_cpu_model(uc_, UC_CPU_X86_QEMU64)));
  if (options.translation_buffer_bytes != 0) {
    FTVM_TRY(check("translation buffer",
                   uc_ctl_set_tcg_buffer_size(uc_, options.translation_buffer_bytes)));
  }
  // Exits on, with none set: no address ever ends a run.
  FTVM_TRY(check("exits", uc_ctl_exits_enable(uc_)));
  FTVM_TRY(check("RAM", uc_mem_map_ptr(uc_, 0, memory_.size_bytes(), UC_PROT_ALL, memory_.data())));
  constexpr std::uint64_t kPhysicalEnd = 1ull << 40;  // As CPUID 8000'0008h says.
  FTVM_TRY(
      check("open bus", uc_mmio_map(uc_, memory_.size_bytes(), kPhysicalEnd - memory_.size_bytes(),
                                    open_bus_read, nullptr, open_bus_write, nullptr)));
  FTVM_TRY(check("TLB mode", uc_ctl_tlb_mode(uc_, UC_TLB_CPU)));
  FTVM_TRY(attach_engine());
  FTVM_TRY(add_hooks());
  const RawState state = pull();
  pristine_.assign(state.bytes(), state.bytes() + Offset::kReturnAddress);
  flush();
  return {};
}

Status UnicornCpu::add_hooks() {
  struct Wanted {
    void* callback;
    int type;
    int instruction = 0;
  };
  const Wanted wanted[] = {
      {reinterpret_cast<void*>(Hooks::on_interrupt), UC_HOOK_INTR},
      {reinterpret_cast<void*>(Hooks::on_invalid), UC_HOOK_INSN_INVALID},
      {reinterpret_cast<void*>(Hooks::on_in), UC_HOOK_INSN, UC_X86_INS_IN},
      {reinterpret_cast<void*>(Hooks::on_out), UC_HOOK_INSN, UC_X86_INS_OUT},
      {reinterpret_cast<void*>(Hooks::on_syscall), UC_HOOK_INSN, UC_X86_INS_SYSCALL},
      {reinterpret_cast<void*>(Hooks::on_sysenter), UC_HOOK_INSN, UC_X86_INS_SYSENTER},
      {reinterpret_cast<void*>(Hooks::on_cpuid), UC_HOOK_INSN, UC_X86_INS_CPUID},
      {reinterpret_cast<void*>(Hooks::on_rdtsc), UC_HOOK_INSN, UC_X86_INS_RDTSC},
      {reinterpret_cast<void*>(Hooks::on_rdtscp), UC_HOOK_INSN, UC_X86_INS_RDTSCP},
  };
  for (const Wanted& w : wanted) {
    uc_hook handle = 0;
    const uc_err e = uc_hook_add(uc_, &handle, w.type, w.callback, this, 1, 0, w.instruction);
    if (e != UC_ERR_OK) return library_error("hook", e);
  }
  return {};
}

}  // namespace ftvm::unicorn
