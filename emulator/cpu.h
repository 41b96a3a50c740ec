// What the machine needs of a CPU. Two engines implement it (emulator/unicorn): the portable one
// and the accelerated one; they must agree on every tick and every bit.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "emulator/base/digest.h"
#include "emulator/base/result.h"
#include "emulator/base/units.h"
#include "emulator/memory.h"
#include "emulator/state.h"

namespace ftvm {

/// What the CPU asks of the machine while it runs. `now` is the tick before the instruction that
/// makes the access. Threading: vCPU thread, from inside Cpu::run.
class CpuBus {
 public:
  virtual ~CpuBus() = default;
  virtual std::uint32_t port_read(std::uint16_t port, unsigned size_bytes, Tick now) = 0;
  virtual void port_write(std::uint16_t port, unsigned size_bytes, std::uint32_t value,
                          Tick now) = 0;
  virtual std::uint64_t time_stamp_counter(Tick now) = 0;
};

enum class CpuStop : std::uint8_t {
  kLimit,            // tick() == limit.
  kHalted,           // HLT retired; nothing retires until an interrupt is delivered.
  kInterruptWindow,  // Asked for, and now accepts_interrupts().
  kShutdown,         // Triple fault; the state is that before the last delivery.
};

/// Everything a user may look at; also what boot loaders set. Hidden segment state included.
struct SegmentRegister {
  std::uint16_t selector = 0;
  std::uint64_t base = 0;
  std::uint32_t limit = 0;
  std::uint32_t attributes = 0;  // Second word of the descriptor, as in the GDT.
};
struct CpuRegisters {
  std::array<std::uint64_t, 16> gpr{};  // rax rcx rdx rbx rsp rbp rsi rdi r8..r15
  std::uint64_t rip = 0;
  std::uint64_t rflags = 2;
  std::array<SegmentRegister, 6> segment{};  // es cs ss ds fs gs
  SegmentRegister ldt, tr, gdt, idt;
  std::uint64_t cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0, efer = 0;
};

class Cpu {
 public:
  virtual ~Cpu() = default;

  [[nodiscard]] virtual Tick tick() const = 0;
  /// Retired instructions since power-on (ticks without idle time and deliveries).
  [[nodiscard]] virtual std::uint64_t retired() const = 0;

  /// Runs until one of CpuStop. Never passes `limit`. Precondition: tick() < limit, not halted.
  virtual CpuStop run(Tick limit, bool stop_at_interrupt_window) = 0;
  /// Lowers the limit of the run in progress; only from inside a CpuBus call, and never to less
  /// than now + kAccessHoldTicks.
  virtual void lower_limit(Tick limit) = 0;

  [[nodiscard]] virtual bool halted() const = 0;
  /// Passes idle time. Precondition: halted() and to >= tick().
  virtual void idle_until(Tick to) = 0;

  /// RFLAGS.IF is set and no STI / MOV SS shadow holds interrupts off.
  [[nodiscard]] virtual bool accepts_interrupts() const = 0;
  /// Delivers an external interrupt: one tick, ends a halt. False on a triple fault.
  virtual bool interrupt(std::uint8_t vector) = 0;

  /// The architectural flush of the tick grid (docs/adr: TLB flushes are architectural).
  virtual void flush() = 0;
  /// The host changed guest RAM (boot loader, DMA, debugger).
  virtual void memory_written(GuestPhys address, std::size_t size_bytes) = 0;

  [[nodiscard]] virtual CpuRegisters registers() const = 0;
  virtual void set_registers(const CpuRegisters& registers) = 0;
  virtual void reset() = 0;

  /// Saves or loads everything, ticks included. Loading flushes.
  virtual void visit_state(StateVisitor& v) = 0;
  /// Canonical view for digests and reports: the same on both engines, read-only.
  virtual void visit_digest(StateVisitor& v) = 0;

  [[nodiscard]] virtual std::string engine_name() const = 0;
};

enum class EngineKind : std::uint8_t { kAuto, kPortable, kAccelerated };
struct CpuOptions {
  EngineKind engine = EngineKind::kAuto;
  /// Size of the translation buffer; 0 is the library's default. Units: bytes.
  std::uint32_t translation_buffer_bytes = 0;
};

/// Errors: kUnsupported when libunicorn is too old or its layout is not the calibrated one, or when
/// the accelerated engine is asked for and cannot be had.
Result<std::unique_ptr<Cpu>> make_cpu(CpuOptions options, GuestMemory& memory, CpuBus& bus);

/// Version of libunicorn, "2.1.4".
std::string library_version();

}  // namespace ftvm
