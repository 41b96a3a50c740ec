// The Linux guest corpus, one program of several: `corpus NAME`. One, because a static program of
// its own for each would make the initramfs, and so every boot, a third longer.
#define _GNU_SOURCE
#include "tests/guest/linux/corpus.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char* program = "corpus";
static uint64_t hash = 0;

void note(uint64_t value) {
  hash = mix(hash + value);
}

uint64_t mix(uint64_t value) {
  value = (value ^ (value >> 32)) * 0xd6e8feb86659fd93;
  value = (value ^ (value >> 29)) * 0x9fb21c651e98df25;
  return (value ^ (value >> 32)) + 0x632be59bd9b4e019;
}

uint32_t next_random(uint64_t* seed) {
  return (uint32_t)(mix((*seed)++) >> 16);
}

// One write, so that lines of processes that print at once stay whole.
static void say(const char* verdict, const char* format, va_list arguments) {
  char line[256];
  int length = snprintf(line, sizeof line, "%s %s ", program, verdict);
  length += vsnprintf(line + length, sizeof line - (size_t)length - 1, format, arguments);
  if ((size_t)length > sizeof line - 2) length = sizeof line - 2;
  line[length++] = '\n';
  if (write(STDOUT_FILENO, line, (size_t)length) != length) _exit(3);
}

void fail(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  say("FAILED", format, arguments);
  va_end(arguments);
  _exit(1);
}

void remark(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  say("remarks", format, arguments);
  va_end(arguments);
}

static void succeed(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  say("ok", format, arguments);
  va_end(arguments);
}

uint8_t* map(void* at, size_t bytes, int protection, int flags, int fd) {
  if (fd < 0) flags |= MAP_ANONYMOUS;
  void* found = mmap(at, bytes, protection, flags, fd, 0);
  CHECK(found != MAP_FAILED, "mmap of %zu bytes: %m", bytes);
  return found;
}

void expect_exit(int child, int code, const char* what) {
  int status = 0;
  const int ended = waitpid(child, &status, 0);
  CHECK(ended > 0 && (child < 0 || ended == child), "%s: waitpid: %m", what);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == code, "%s: wait status %#x, not exit %d", what,
        status, code);
}

void write_all(int fd, const void* from, size_t bytes) {
  const uint8_t* next = from;
  while (bytes != 0) {
    const ssize_t done = write(fd, next, bytes);
    CHECK(done > 0, "write: %m");
    next += done;
    bytes -= (size_t)done;
  }
}

void read_all(int fd, void* to, size_t bytes) {
  uint8_t* next = to;
  while (bytes != 0) {
    const ssize_t done = read(fd, next, bytes);
    CHECK(done > 0, "read: %s", done == 0 ? "end of file" : strerror(errno));
    next += done;
    bytes -= (size_t)done;
  }
}

static const struct {
  const char* name;
  void (*run)(void);
} kPrograms[] = {
    {"jit", run_jit}, {"signals", run_signals}, {"pressure", run_pressure}, {"forks", run_forks}};

int main(int argc, char** argv) {
  if (argc == 3 && strcmp(argv[1], "leaf") == 0) run_leaf((unsigned)atoi(argv[2]));
  for (size_t i = 0; argc == 2 && i < sizeof kPrograms / sizeof *kPrograms; ++i) {
    if (strcmp(argv[1], kPrograms[i].name) != 0) continue;
    program = kPrograms[i].name;
    kPrograms[i].run();
    succeed("%016llx", (unsigned long long)hash);
    return 0;
  }
  fail("wants one of jit, signals, pressure, forks");
}
