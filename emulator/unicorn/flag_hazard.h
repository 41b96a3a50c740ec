// Instructions whose flags the library gets wrong, or which depend on what stands before them in
// their block, so that they would depend on where a run was cut. The library computes flags late:
// while it translates a block it knows ("tracks") which instruction made them, and forgets it at
// the end.
//
// Source: measured on libunicorn 2.1.4 by tests/unit/emulator/unicorn_flags_test.cc; Intel SDM
// volume 2 for what is right.
#pragma once

#include <cstdint>

#include "emulator/base/bytes.h"
#include "emulator/unicorn/decode.h"

namespace ftvm::unicorn {

enum class FlagHazard : std::uint8_t {
  kNone,
  /// BT, BTS, BTR, BTC: what they do to OF and AF, which is undefined, depends on tracked flags.
  kBitTest,
  /// SETcc to memory: a fault may leave the flags in another form than the library then believes.
  kSetMemory,
  /// RCL and RCR of memory change flags before they fault; LOOPE and LOOPNE lose tracked flags when
  /// the count ends. Right only in a block of its own, and with the flags put back at a fault.
  kAlone,
};
FlagHazard flag_hazard(ByteView code, CodeSize size);

/// Whether the library tracks flags behind these whole instructions of a block.
bool tracks_flags(ByteView code, CodeSize size);

/// A SETcc at `at` in a block has faulted, and the library holds its flags in the form `cc_op`:
/// whether in truth they are in the settled form.
bool set_memory_settles(ByteView block, std::size_t at, CodeSize size, std::uint32_t cc_op);

/// Whether a block, which the library makes as it likes, must be stepped.
bool has_hazard_inside(ByteView block, CodeSize size);

}  // namespace ftvm::unicorn
