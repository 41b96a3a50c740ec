// The compiler's 128-bit unsigned integer: the product of two 64-bit numbers fits. It is an
// extension of GCC and clang, which neither an alias nor -Wpedantic lets one name in the standard
// way.
#pragma once

namespace ftvm {

__extension__ typedef unsigned __int128 Uint128;  // NOLINT(modernize-use-using)

}  // namespace ftvm
