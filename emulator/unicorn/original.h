// What it takes to replace a function of the library: a definition of the same name that the
// dynamic linker finds first, and a way to the original.
#pragma once

#include <dlfcn.h>

#include "emulator/base/assert.h"

namespace ftvm::unicorn {

/// The original behind one of our definitions.
template <class Function>
Function* next_definition(const char* name) {
  auto* function = reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
  FTVM_ASSERT(function != nullptr);
  return function;
}

}  // namespace ftvm::unicorn

#define FTVM_EXPORT __attribute__((visibility("default")))
/// Inside a definition of `name`: calls of `original` reach the library's.
#define FTVM_ORIGINAL(name) \
  static auto* const original = ftvm::unicorn::next_definition<decltype(name)>(#name)
