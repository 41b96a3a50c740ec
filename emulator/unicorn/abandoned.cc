// How the portable engine finds out that a block was given up because it stored into itself: the
// library says nothing, and runs the instruction again in a block of its own.
#include "emulator/base/bytes.h"
#include "emulator/unicorn/portable_cpu.h"

namespace ftvm::unicorn {

bool PortableCpu::was_abandoned(std::uint64_t pc, unsigned instructions, bool fresh) {
  // A store into its own block gives it up and runs again in a block of its own, which can be told
  // from the usual block at its place, but for the following.
  if (redone_) return false;  // That it may overwrite itself is why it is made alone.
  if (one_shot_) return true;
  if (instructions != 1) return false;
  // Every block of a step is a single instruction. At its end the step clears the flag, but for a
  // REP that goes on.
  if (step_.active && step_.rep) return pull().gpr(kRcx) == step_.rcx;
  if (step_.active) return pull().inhibited();
  const bool alone = pc == hot_.current->pc && hot_.current->instructions == 1;
  if (!fresh && (!alone || pc == leads_to_itself_)) return false;
  const RawState state = pull();
  const Bytes code = code_at(state, pc, kInstructionBytesMax);
  if (alone) {
    if (!may_lead_to_itself(code, code_size(state))) return true;
    leads_to_itself_ = pc;
  }
  // Else it is translated anew: the usual one is there before (meet_special()), others are dropped
  // (redo_from()).
  if (!fresh) return false;
  // A single step has a trap at its end, and none has come.
  if ((state.system_flags() & Rflags::kTf) != 0) return true;
  if (parse_rep_string(code, code_size(state))) return true;
  // A CALL that pushes on its own block. One that leads to itself has pushed where it comes back
  // to.
  return is_call(code, code_size(state)) &&
         (pc == hot_.current->pc || !has_pushed_return(state, pc, code));
}

/// The instruction at `pc` of the current block is made again.
void PortableCpu::redo_from(std::uint64_t pc) {
  const RawState state = pull();
  mend_flags(state, pc);
  push();
  take_back_from(state, pc);
  step_.counted = false;
  if (one_shot_) return;
  // What is run now must not be found when it is needed again: see was_abandoned().
  if (const auto at = walker_.probe(paging_of(state), pc)) {
    drop_translations(GuestPhys{at->value / kPageBytes * kPageBytes});
  }
}

/// Whether the top of the stack is the address behind the CALL at `pc`.
bool PortableCpu::has_pushed_return(RawState state, std::uint64_t pc, ByteView call) const {
  const std::uint64_t behind =
      pc + instruction_length(call, code_size(state)) - state.segment(kCs).base;
  const std::size_t size_bytes = state.code64() ? 8 : 4;
  const std::uint64_t stack_base = state.code64() ? 0 : state.segment(kSs).base;
  Bytes top = code_at(state, stack_base + state.gpr(kRsp), size_bytes);
  if (top.size() != size_bytes) return false;
  top.resize(8);
  return load_le<std::uint64_t>(top.data()) == behind;
}

}  // namespace ftvm::unicorn
