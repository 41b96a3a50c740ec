// What the programs of the Linux guest corpus share. Each checks itself and ends with one line,
// "NAME ok HASH" or "NAME FAILED what". The hash is of results alone, never of time, addresses or
// process numbers: it is the same in every machine, a real one included.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// Adds to the hash of this process; a child's is lost with it.
void note(uint64_t value);

/// Prints the verdict of a failure, in any process or thread, and ends the process.
_Noreturn void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

#define CHECK(condition, ...)            \
  do {                                   \
    if (!(condition)) fail(__VA_ARGS__); \
  } while (0)

/// A line that is no verdict: may say what depends on time, which a replay must repeat all the
/// same.
void remark(const char* format, ...) __attribute__((format(printf, 1, 2)));

/// One-to-one, and its bits depend on all bits of the value.
uint64_t mix(uint64_t value);

/// The next of a sequence of its own for each seed.
uint32_t next_random(uint64_t* seed);

/// mmap() that fails by name. `fd` -1 is anonymous memory.
uint8_t* map(void* at, size_t bytes, int protection, int flags, int fd);

/// Waits for this child (-1: any) and checks that it ended itself with this code.
void expect_exit(int child, int code, const char* what);

/// All of `bytes`, or fails.
void write_all(int fd, const void* from, size_t bytes);
void read_all(int fd, void* to, size_t bytes);

/// The programs.
void run_jit(void);
void run_signals(void);
void run_pressure(void);
void run_forks(void);

/// What `corpus leaf N` does, for forks: ends with a code that depends on N alone.
_Noreturn void run_leaf(unsigned n);
int leaf_code(unsigned n);
