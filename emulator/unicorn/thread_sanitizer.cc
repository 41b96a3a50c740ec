// Under ThreadSanitizer the library's long jumps are told to it. Debian builds with
// _FORTIFY_SOURCE, so libunicorn leaves through __longjmp_chk, which ThreadSanitizer does not
// intercept: functions of ours that are left this way would stay on its record of the call stack
// for ever. Every allocation then has a stack of its own to be kept, gigabytes in a minute.
// siglongjmp is intercepted, and does the same. Source: glibc debug/longjmp_chk.c.
#include "emulator/base/thread_sanitizer.h"

#include "emulator/unicorn/original.h"

#ifdef FTVM_THREAD_SANITIZER
// Not <setjmp.h>: it would make this a call of __longjmp_chk again where it is fortified.
extern "C" {
[[noreturn]] void siglongjmp(void* environment, int value);
// NOLINTNEXTLINE(*-reserved-identifier)
[[noreturn]] FTVM_EXPORT void __longjmp_chk(void* environment, int value) {
  siglongjmp(environment, value);
}
}
#endif
