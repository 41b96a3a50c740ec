// Which of the library's functions are replaced, those that the accelerated engine calls, and the
// writer of the library's intermediate code. Everything here rests on names and numbers of one
// library family; check_interposition() proves what can be proven before anything runs.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>

#include "emulator/base/result.h"

struct uc_struct;
struct CPUState;

namespace ftvm::unicorn {

struct Replaced {
  const char* name;
  void* ours;
};
/// Every replaced name must resolve to our definition and have an original behind it.
/// Errors: kUnsupported with the first name that does not.
Status check_replaced(std::initializer_list<Replaced> replaced);
/// What both engines replace (interpose_shared.cc), and what the accelerated one does besides.
Status check_shared_interposition();
Status check_interposition();

/// Leaves the run that called us, from generated code or before a translation; does not return.
[[noreturn]] void leave_generated_code(uc_struct* uc);
/// From now on stores to this host range take the checked path.
void check_stores_to(CPUState* cpu, const std::uint8_t* begin, std::size_t size_bytes);
/// The page, which is in the library's TLB, is known to hold no code.
void make_stores_fast(CPUState* cpu, std::uint64_t page);
/// Drops translations of a guest-physical range.
void invalidate_translations(uc_struct* uc, std::uint64_t begin, std::uint64_t end);

/// What MOV DR7 does.
void move_to_dr7(std::uint8_t* live_state, std::uint64_t value);

/// Writes a few operations into a translation in progress. Handles are the library's temporaries.
class TcgWriter {
 public:
  using Handle = std::uint64_t;
  explicit TcgWriter(void* translator) : translator_(translator) {}
  [[nodiscard]] Handle constant(const void* pointer) const;
  [[nodiscard]] Handle temporary(int type) const;
  void operation(int op, Handle a, Handle b, std::uint64_t c) const;
  /// if (!(a COND b)) body
  void unless(int condition, Handle a, Handle b, int set_label_op,
              const std::function<void()>& body) const;
  void call(void* function, void* result, const void* argument) const;

 private:
  void* translator_;
};

}  // namespace ftvm::unicorn
