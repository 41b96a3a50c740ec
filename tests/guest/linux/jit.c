// Code that changes under the feet of whoever runs it, in all the ways a page of code can change:
// by its own mapping, by another one, by the kernel, by a fork, by the page going away. Each
// routine computes a value that was computed here too when it was written; stale code gives another
// one.
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/guest/linux/corpus.h"

enum { kPage = 4096, kRoutineBytesMax = 256 };
enum { kRead = PROT_READ, kWrite = PROT_READ | PROT_WRITE, kRun = PROT_READ | PROT_EXEC };
enum { kAll = PROT_READ | PROT_WRITE | PROT_EXEC };

typedef uint32_t Function(uint32_t argument);

static uint64_t seed = 1;

typedef struct {
  uint8_t code[kRoutineBytesMax];
  size_t bytes;
  uint32_t argument, value;  // code(argument) == value
} Routine;

static void put(Routine* r, const void* code, size_t bytes) {
  memcpy(r->code + r->bytes, code, bytes);
  r->bytes += bytes;
}

static void put_number(Routine* r, uint32_t number) {
  put(r, &number, 4);
}

static uint32_t rotated(uint32_t value, unsigned by) {
  return by == 0 ? value : value << by | value >> (32 - by);
}

// One operation on EAX, and the same on `value`.
static void put_operation(Routine* r) {
  const uint32_t n = next_random(&seed);
  switch (next_random(&seed) % 7) {
    case 0:
      put(r, "\x05", 1), put_number(r, n), r->value += n;
      break;  // add eax, n
    case 1:
      put(r, "\x35", 1), put_number(r, n), r->value ^= n;
      break;  // xor eax, n
    case 2:
      put(r, "\x69\xc0", 2), put_number(r, n), r->value *= n;
      break;  // imul eax, eax, n
    case 3:
      put(r, "\xf7\xd0", 2), r->value = ~r->value;
      break;  // not eax
    case 4:
      put(r, "\x0f\xc8", 2), r->value = __builtin_bswap32(r->value);
      break;
    case 5: {  // rol eax, n
      const uint8_t by = n % 32;
      put(r, "\xc1\xc0", 2), put(r, &by, 1), r->value = rotated(r->value, by);
      break;
    }
    default:  // test al, 1; jz over; sub eax, n
      put(r, "\xa8\x01\x74\x05\x2d", 5), put_number(r, n);
      if (r->value & 1) r->value -= n;
  }
}

static Routine new_routine(void) {
  Routine r = {.bytes = 0, .argument = next_random(&seed)};
  r.value = r.argument;
  put(&r, "\x89\xf8", 2);  // mov eax, edi
  for (unsigned left = 1 + next_random(&seed) % 12; left != 0; --left) put_operation(&r);
  put(&r, "\xc3", 1);  // ret
  return r;
}

static void check(const uint8_t* at, const Routine* r, const char* what, unsigned round) {
  const uint32_t value = ((Function*)at)(r->argument);
  CHECK(value == r->value, "%s: round %u gives %08x, not %08x", what, round, value, r->value);
  note(value);
}

static int new_file(size_t bytes) {
  const int fd = memfd_create("code", 0);
  CHECK(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0, "memfd: %m");
  return fd;
}

// Any place of a writable and executable mapping, page ends included.
static void in_place(void) {
  uint8_t* code = map(0, 4 * kPage, kAll, MAP_PRIVATE, -1);
  for (unsigned round = 0; round < 6000; ++round) {
    const Routine r = new_routine();
    uint8_t* at = code + next_random(&seed) % (4 * kPage - kRoutineBytesMax);
    memcpy(at, r.code, r.bytes);
    check(at, &r, "in place", round);
  }
  munmap(code, 4 * kPage);
}

// Never writable and executable at a time.
static void write_xor_execute(void) {
  uint8_t* code = map(0, 2 * kPage, kWrite, MAP_PRIVATE, -1);
  for (unsigned round = 0; round < 500; ++round) {
    Routine routines[8];
    CHECK(mprotect(code, 2 * kPage, kWrite) == 0, "mprotect: %m");
    for (unsigned i = 0; i < 8; ++i) {
      routines[i] = new_routine();
      memcpy(code + i * 900, routines[i].code, routines[i].bytes);
    }
    CHECK(mprotect(code, 2 * kPage, kRun) == 0, "mprotect: %m");
    for (unsigned i = 0; i < 8; ++i) check(code + i * 900, &routines[i], "W^X", round);
  }
  munmap(code, 2 * kPage);
}

// One page of memory, written here and executed there, at two addresses; and written by the kernel.
static void aliases(void) {
  const int fd = new_file(kPage);
  uint8_t* writable = map(0, kPage, kWrite, MAP_SHARED, fd);
  uint8_t* code[] = {map(0, kPage, kRun, MAP_SHARED, fd), map(0, kPage, kRun, MAP_SHARED, fd)};
  for (unsigned round = 0; round < 4000; ++round) {
    const Routine r = new_routine();
    const size_t at = next_random(&seed) % (kPage - kRoutineBytesMax);
    if (round % 3 == 0) {
      CHECK(pwrite(fd, r.code, r.bytes, (off_t)at) == (ssize_t)r.bytes, "pwrite: %m");
    } else if (round % 3 == 1) {
      const struct iovec from = {(void*)r.code, r.bytes}, to = {writable + at, r.bytes};
      CHECK(process_vm_writev(getpid(), &from, 1, &to, 1, 0) == (ssize_t)r.bytes, "writev: %m");
    } else {
      memcpy(writable + at, r.code, r.bytes);
    }
    check(code[round % 2] + at, &r, "alias", round);
    check(code[1 - round % 2] + at, &r, "other alias", round);
  }
  munmap(writable, kPage), munmap(code[0], kPage), munmap(code[1], kPage), close(fd);
}

// The same address gets another page, and the page another use.
static void page_reuse(void) {
  uint8_t* const here = map(0, kPage, PROT_NONE, MAP_PRIVATE, -1);
  for (unsigned round = 0; round < 1500; ++round) {
    const Routine r = new_routine();
    uint8_t* code = map(here, kPage, kWrite, MAP_PRIVATE | MAP_FIXED, -1);
    for (size_t i = 0; i < kPage; i += 8) memcpy(code + i, "\x0f\x0b\x0f\x0b\x0f\x0b\x0f\x0b", 8);
    memcpy(code + 16, r.code, r.bytes);
    CHECK(mprotect(code, kPage, kRun) == 0, "mprotect: %m");
    check(code + 16, &r, "page reuse", round);
    CHECK(munmap(code, kPage) == 0, "munmap: %m");
    if (round % 4 == 0) {  // The freed page becomes data.
      volatile uint8_t* data = map(0, kPage, kWrite, MAP_PRIVATE, -1);
      for (size_t i = 0; i < kPage; i += 64) data[i] = (uint8_t)round;
      munmap((void*)data, kPage);
    }
  }
}

// A private copy of a file's page is thrown away, and the file's code is there again.
static void thrown_away(void) {
  const int fd = new_file(kPage);
  const Routine of_file = new_routine();
  CHECK(pwrite(fd, of_file.code, of_file.bytes, 0) == (ssize_t)of_file.bytes, "pwrite: %m");
  uint8_t* code = map(0, kPage, kAll, MAP_PRIVATE, fd);
  for (unsigned round = 0; round < 500; ++round) {
    const Routine r = new_routine();
    check(code, &of_file, "of the file", round);
    memcpy(code, r.code, r.bytes);
    check(code, &r, "private copy", round);
    CHECK(madvise(code, kPage, MADV_DONTNEED) == 0, "madvise: %m");
  }
  munmap(code, kPage), close(fd);
}

// A chain of calls whose targets are patched, some of them across a page's end.
static void patched_calls(void) {
  enum { kTargets = 16, kCalls = 10 };
  uint8_t* code = map(0, 4 * kPage, kAll, MAP_PRIVATE, -1);
  uint32_t adds[kTargets];
  for (unsigned i = 0; i < kTargets; ++i) {  // add eax, n; ret
    uint8_t* at = code + 2 * kPage + i * 500;
    adds[i] = next_random(&seed);
    at[0] = 0x05, at[5] = 0xc3;
    memcpy(at + 1, &adds[i], 4);
  }
  uint8_t* caller = code + kPage - 13;
  caller[0] = 0x31, caller[1] = 0xc0;  // xor eax, eax
  for (unsigned i = 0; i < kCalls; ++i) caller[2 + 5 * i] = 0xe8;
  caller[2 + 5 * kCalls] = 0xc3;
  unsigned targets[kCalls] = {0};
  for (unsigned round = 0; round < 4000; ++round) {
    uint32_t sum = 0;
    for (unsigned i = 0; i < kCalls; ++i) {
      if (round == 0 || next_random(&seed) % 3 == 0) {
        targets[i] = next_random(&seed) % kTargets;
        uint8_t* next = caller + 2 + 5 * i + 5;
        const int32_t distance = (int32_t)(code + 2 * kPage + targets[i] * 500 - next);
        memcpy(next - 4, &distance, 4);
      }
      sum += adds[targets[i]];
    }
    const uint32_t value = ((Function*)caller)(0);
    CHECK(value == sum, "patched calls: round %u gives %08x, not %08x", round, value, sum);
    note(value);
  }
  munmap(code, 4 * kPage);
}

// A routine that writes into itself, in front of where it is: the very next instruction at times.
static void into_itself(void) {
  uint8_t* code = map(0, 2 * kPage, kAll, MAP_PRIVATE, -1);
  for (unsigned round = 0; round < 4000; ++round) {
    const uint8_t gap = next_random(&seed) % 40;
    uint8_t* at = code + (round % 2 ? kPage - next_random(&seed) % 56 : next_random(&seed) % 2048);
    const uint32_t distance = gap + 1u, wanted = next_random(&seed);
    memcpy(at, "\x89\x3d", 2);  // mov [rip + distance], edi
    memcpy(at + 2, &distance, 4);
    memset(at + 6, 0x90, gap);
    memcpy(at + 6 + gap, "\xb8\0\0\0\0\xc3", 6);  // mov eax, 0, which becomes the argument; ret
    const uint32_t value = ((Function*)at)(wanted);
    CHECK(value == wanted, "into itself: round %u gives %08x, not %08x", round, value, wanted);
    note(value);
  }
  munmap(code, 2 * kPage);
}

// A child changes code that it shares with its parent, and code that it only seems to share.
static void across_forks(void) {
  uint8_t* shared = map(0, kPage, kAll, MAP_SHARED, -1);
  uint8_t* copied = map(0, kPage, kAll, MAP_PRIVATE, -1);
  for (unsigned round = 0; round < 60; ++round) {
    const Routine before = new_routine(), after = new_routine();
    memcpy(shared, before.code, before.bytes), memcpy(copied, before.code, before.bytes);
    check(shared, &before, "before a fork", round), check(copied, &before, "before a fork", round);
    const int child = fork();
    CHECK(child >= 0, "fork: %m");
    if (child == 0) {
      memcpy(shared, after.code, after.bytes), memcpy(copied, after.code, after.bytes);
      check(shared, &after, "in a child", round), check(copied, &after, "in a child", round);
      _exit(7);
    }
    expect_exit(child, 7, "child that changes code");
    check(shared, &after, "shared with a child", round);
    check(copied, &before, "not shared with a child", round);
  }
  munmap(shared, kPage), munmap(copied, kPage);
}

static struct {
  uint8_t* at;
  uint8_t original;
  unsigned hits;
} breakpoint;

static void on_breakpoint(int number, siginfo_t* info, void* context) {
  (void)number, (void)info;
  greg_t* registers = ((ucontext_t*)context)->uc_mcontext.gregs;
  CHECK((uint8_t*)registers[REG_RIP] == breakpoint.at + 1, "breakpoint: a trap somewhere else");
  *breakpoint.at = breakpoint.original;
  registers[REG_RIP] -= 1;
  ++breakpoint.hits;
}

// As a debugger does it: an INT3 over an instruction, and the instruction put back by the handler.
static void breakpoints(void) {
  struct sigaction action = {.sa_sigaction = on_breakpoint, .sa_flags = SA_SIGINFO}, old;
  sigaction(SIGTRAP, &action, &old);
  uint8_t* code = map(0, kPage, kAll, MAP_PRIVATE, -1);
  for (unsigned round = 0; round < 500; ++round) {
    const Routine r = new_routine();
    memcpy(code, r.code, r.bytes);
    check(code, &r, "before a breakpoint", round);
    breakpoint.at = code + (round % 2 ? r.bytes - 1 : 2);  // RET, or the first operation.
    breakpoint.original = *breakpoint.at;
    *breakpoint.at = 0xcc;
    check(code, &r, "with a breakpoint", round);
    check(code, &r, "behind a breakpoint", round);
    CHECK(breakpoint.hits == round + 1, "breakpoint: %u hits in round %u", breakpoint.hits, round);
  }
  sigaction(SIGTRAP, &old, NULL);
  munmap(code, kPage);
}

void run_jit(void) {
  in_place();
  write_xor_execute();
  aliases();
  page_reuse();
  thrown_away();
  patched_calls();
  into_itself();
  across_forks();
  breakpoints();
}
