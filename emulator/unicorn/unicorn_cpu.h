// What the two engines share: the library handle and its hooks, exact counting rules, single
// stepping, exceptions, snapshots. An engine adds how it reaches the CPU state, how it counts
// blocks and how it keeps translations fresh.
//
// Counting: a block is counted whole when it starts; what did not retire is taken back when an
// exception or a store into running code ends it early. Every stop is at a block start, and blocks
// too long for the rest of the way are stepped, so a run stops at exactly the tick it was asked
// for.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "emulator/cpu.h"
#include "emulator/unicorn/decode.h"
#include "emulator/unicorn/delivery.h"
#include "emulator/unicorn/flag_hazard.h"
#include "emulator/unicorn/guest_tlb.h"
#include "emulator/unicorn/library_clock.h"
#include "emulator/unicorn/page_walk.h"
#include "emulator/unicorn/raw_state.h"

// The library's handle, as its C header declares it; the header itself stays inside this folder.
struct uc_struct;
struct uc_context;

namespace ftvm::unicorn {

class AcceleratedCpu;
class UnicornCpu;

/// Every call into the library happens inside one: it pins the library's clock and names the engine
/// to the functions that stand in for the library's own (interpose.cc). Threading: per thread.
class EngineScope {
 public:
  explicit EngineScope(UnicornCpu& cpu);
  ~EngineScope() { active_ = outer_; }
  EngineScope(const EngineScope&) = delete;
  EngineScope& operator=(const EngineScope&) = delete;
  /// The engine whose call is in progress on this thread, or null.
  static UnicornCpu* active() { return active_; }

 private:
  static inline constinit thread_local UnicornCpu* active_ = nullptr;
  LibraryClockScope clock_;
  UnicornCpu* outer_;
};

/// A translated block as the counter sees it.
struct Block {
  std::uint64_t pc = 0;
  std::uint32_t size_bytes = 0;
  std::uint32_t instructions = 0;
  /// What generated code adds to the tick: `instructions`, or more than any run has left when the
  /// block must be stepped.
  std::uint32_t charge = 0;
  /// Of each instruction. Units: bytes. Null when the engine was not told.
  const std::uint8_t* lengths = nullptr;
  /// It holds an instruction that the engine does itself.
  bool stepped = false;
};

class UnicornCpu : public Cpu {
 public:
  ~UnicornCpu() override;

  [[nodiscard]] Tick tick() const final { return Tick{hot_.tick}; }
  [[nodiscard]] std::uint64_t retired() const final { return hot_.tick - not_retired_; }
  CpuStop run(Tick limit, bool stop_at_interrupt_window) final;
  void lower_limit(Tick limit) final;
  [[nodiscard]] bool halted() const final { return halted_; }
  void idle_until(Tick to) final;
  [[nodiscard]] bool accepts_interrupts() const final;
  bool interrupt(std::uint8_t vector) final;
  void flush() final;
  void memory_written(GuestPhys address, std::size_t size_bytes) final;
  [[nodiscard]] CpuRegisters registers() const final;
  void set_registers(const CpuRegisters& registers) final;
  void reset() final;
  void visit_state(StateVisitor& v) final;
  void visit_digest(StateVisitor& v) final;

  // What the replacements in interpose_shared.cc call.
  /// Null when it is this engine, but another kind of it.
  [[nodiscard]] AcceleratedCpu* accelerated() const { return accelerated_; }
  /// Null while the library works for the engine alone, or keeps its own.
  [[nodiscard]] GuestTlb* guest_tlb() { return shows_tlb_ ? &guest_tlb_ : nullptr; }
  /// Of a translation that enters the library's TLB. The library checks each store to what may be
  /// executed; that is not known of a page before its first fetch.
  [[nodiscard]] int kept_protection(int protection) const {
    constexpr int kExecutable = 4;
    return accelerated_ != nullptr || fetching_ ? protection : protection & ~kExecutable;
  }
  void tlb_miss_is_fetch(bool fetch) { fetching_ = fetch; }
  /// The library is about to translate, or to find, code at this linear address.
  void code_found(std::uint64_t linear, std::uint64_t ram_offset);
  /// Before the translation of a block, which is all of one code size.
  void translation_of_block_begins() { translated_size_ = code_size(pull()); }
  /// Around the translation of each instruction. What there is to know about it is known at its
  /// begin.
  void instruction_begins(std::uint64_t linear);
  /// Corrects the address behind it.
  void instruction_ends(std::uint64_t linear, std::uint64_t* next);
  /// What the translator gets for a byte of code.
  [[nodiscard]] std::uint32_t fetched(std::uint64_t linear, std::uint32_t byte) const {
    constexpr std::uint8_t kInvalid = 0x0b;  // Behind 0Fh, UD2.
    return linear == refused_at_ ? kInvalid : byte;
  }
  /// Whether a block must begin there, so that it does not know which instruction made the flags.
  /// Precondition: no instruction that long passes the end of the page.
  [[nodiscard]] bool begins_block(std::uint64_t linear) const;

 protected:
  /// `accelerated` is the object itself, or null when it is another engine.
  UnicornCpu(GuestMemory& memory, CpuBus& bus, AcceleratedCpu* accelerated);
  /// Opens and calibrates. Errors: kUnsupported.
  Status open(const CpuOptions& options);

  /// Fresh view of the CPU state, which ends all earlier ones; push() makes edits through it count.
  virtual RawState pull() const = 0;
  virtual void push() = 0;
  /// Full RFLAGS of the pulled state, lazy flags computed.
  [[nodiscard]] virtual std::uint64_t full_rflags() const = 0;
  /// The same as the guest may see them. The library clears RF too late, at the end of some blocks
  /// only, and it matters for breakpoints alone: RF is exact while one is armed, else it reads as
  /// 0.
  [[nodiscard]] std::uint64_t rflags(RawState state) const;
  /// The limit or the window watch changed.
  void limit_changed() { hot_.limit = step_.active || window_ || watch_rf_ ? 0 : limit_; }
  /// Translations of this page are stale. Precondition: the page held code.
  virtual void drop_translations(GuestPhys page) = 0;
  /// A granule (512 KiB) of RAM holds code for the first time, or again after a load.
  virtual void granule_added(std::uint64_t granule) = 0;
  virtual void length_noted(std::uint8_t) {}
  /// As MOV DR7 does.
  virtual void write_debug_control(std::uint64_t dr7) = 0;
  virtual Status attach_engine() = 0;

  /// Proves that blocks end with their page, as interpose_shared.cc has it. Errors: kUnsupported.
  Status calibrate_blocks();

  /// To be called at each translation, for each page of code.
  void note_code_page(GuestPhys page);
  /// All translations are gone.
  void forget_code_pages();

  /// Runs one instruction.
  void step();
  void account_exception(std::uint32_t vector);
  void account_invalid_opcode();
  /// RF is set and matters.
  [[nodiscard]] bool resumes() const {
    return watch_rf_ && (pull().system_flags() & Rflags::kRf) != 0;
  }
  /// What the current block holds from this linear address on has not retired.
  void take_back_from(RawState state, std::uint64_t linear);
  void forget_block();
  /// The instruction at this address of the current block did not happen: the flags are as before
  /// it.
  void mend_flags(RawState state, std::uint64_t linear) const;
  void stop_engine();
  /// Number within the current block of the instruction that begins there.
  [[nodiscard]] unsigned index_in_block(RawState state, std::uint64_t linear) const;
  [[nodiscard]] bool in_current_block(std::uint64_t linear) const;
  [[nodiscard]] Tick access_tick() const;
  [[nodiscard]] Bytes code_at(RawState state, std::uint64_t pc, std::size_t size_bytes) const;
  [[nodiscard]] static CodeSize code_size(RawState state);
  /// Whether a block holds an instruction that the engine does itself (stand_in), or that is right
  /// only when it is stepped: it is never run as a whole.
  [[nodiscard]] static bool must_be_stepped(RawState state, ByteView block);

  /// No run is longer; the charge of a block that must be stepped is more.
  static constexpr std::uint64_t kRunTicksMax = 1u << 30;

  /// Touched by generated code and by the block hook; `limit` is 0 while each block must ask.
  struct Hot {
    std::uint64_t tick = 0;
    std::uint64_t limit = 0;
    Block* current = nullptr;
  };
  /// One single step in progress.
  struct Step {
    bool active = false;
    bool counted = false;      // The stepped block has been counted.
    bool interrupted = false;  // An exception came instead.
    std::uint64_t rip = 0;
    std::uint64_t rcx = 0;
    std::uint64_t rflags = 0;
    bool shadowed = false;  // By the STI or MOV SS before it.
    bool casts_shadow = false;
    bool resumes = false;  // RF was set.
    std::optional<RepString> rep;
  };

  AcceleratedCpu* accelerated_;
  GuestMemory& memory_;
  CpuBus& bus_;
  mutable PageWalker walker_;
  uc_struct* uc_ = nullptr;
  Hot hot_;
  Block nothing_;  // What hot_.current points at between blocks.
  Step step_;
  std::uint64_t limit_ = 0;
  bool window_ = false;     // Stop when interrupts are accepted.
  bool watch_rf_ = false;   // Breakpoints are armed: a block that begins with RF set is stepped.
  bool stopping_ = false;   // We asked the library to stop; otherwise a return means HLT.
  bool step_all_ = false;   // The next block is too long for what is left of the run.
  bool step_once_ = false;  // The next block can not run as a whole.
  std::uint64_t engine_ns_ = 0;
  GuestTlb guest_tlb_;
  bool shows_tlb_ = true;
  bool fetching_ = true;  // The last TLB miss was one of code.
  /// One byte a page: 1 holds translations, or once did (the portable engine cannot tell).
  std::vector<std::uint8_t> code_pages_;

 private:
  friend struct Hooks;
  friend class EngineScope;
  void start();
  void end_step(const Step& step);
  void finish_rep(const Step& step, RawState state);
  [[nodiscard]] bool current_ends_in_hlt() const;
  bool stand_in(RawState state, ByteView code);
  bool refuse_port(RawState state, const PortAccess& access);
  bool read_msr(RawState state, ByteView code);
  void account_error(int error);
  bool put_off_fetch(RawState state, std::uint32_t vector);
  [[nodiscard]] bool is_debug_trap(RawState state) const;
  unsigned length_at_block_end(RawState state) const;
  [[nodiscard]] std::uint64_t software_interrupt_rip(RawState state) const;
  void deliver_event(RawState state, const Event& event);
  void deliver_fault(RawState state, std::uint8_t vector, std::uint32_t error_code = 0);
  void enter_syscall();
  void enter_sysenter();
  std::uint32_t port_in(std::uint16_t port, unsigned size_bytes);
  void port_out(std::uint16_t port, unsigned size_bytes, std::uint32_t value);
  void visit_raw(StateVisitor& v);
  void load_breakpoints(RawState loaded);
  void visit_granules(StateVisitor& v);
  Status add_hooks();

  std::uint64_t not_retired_ = 0;  // Ticks that were idle or deliveries.
  bool halted_ = false;
  bool shutdown_ = false;
  std::uint64_t cr2_ = 0;  // As the guest knows it: before a fetch that is put off.
  Bytes pristine_;         // State bytes of a fresh engine.
  CodeSize translated_size_ = CodeSize::k64;
  std::uint64_t refused_at_ = ~0ull;    // Linear address of an opcode byte that does not count.
  std::uint64_t code_page_ = 0;         // Page number, linear.
  const std::uint8_t* code_ = nullptr;  // Its bytes; null when it is not in RAM.
  Bytes granules_;                      // One byte a granule: 1 holds code. Part of snapshots.
};

/// "2.1.4". Units: as of uc_version().
std::string version_text(unsigned version);
/// Whether this engine may be tried on such a library. Units: as of uc_version(). Errors:
/// kUnsupported with what was found.
Status check_library_version(EngineKind engine, unsigned version);

Result<std::unique_ptr<Cpu>> make_portable(const CpuOptions&, GuestMemory&, CpuBus&);
/// Errors: kUnsupported when a symbol does not resolve to ours or calibration disagrees.
Result<std::unique_ptr<Cpu>> make_accelerated(const CpuOptions&, GuestMemory&, CpuBus&);

}  // namespace ftvm::unicorn
