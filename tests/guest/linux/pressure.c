// More memory than there is: anonymous pages and pages of a file in /tmp are visited again and
// again, so that the kernel must find out which are not in use (by their Accessed bits), and swap.
// Needs a swap device. Contents are checked at each visit; how many pages were resident, and what
// the kernel says it did, are remarks.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "tests/guest/linux/corpus.h"

enum { kPage = 4096, kWords = kPage / 8 };
enum { kSomeMemoryPages = 13500, kFilePages = 5500, kPages = kSomeMemoryPages + kFilePages };
enum { kPasses = 3, kLooks = 8 };

static uint64_t* memory;
static uint64_t* file;
static uint8_t visits[kPages];

static uint64_t* page_at(unsigned page) {
  return page < kSomeMemoryPages ? memory + (size_t)page * kWords
                                 : file + (size_t)(page - kSomeMemoryPages) * kWords;
}

// Few words of a page are in use, so that it shrinks well in swap; which ones depends on the page.
static void visit(unsigned page) {
  uint64_t* words = page_at(page);
  for (unsigned i = page % 61; i < kWords; i += 61) {
    const uint64_t expected = visits[page] == 0 ? 0 : mix(page * 1000003ull + i) + visits[page];
    CHECK(words[i] == expected, "page %u, word %u is %llx, not %llx", page, i,
          (unsigned long long)words[i], (unsigned long long)expected);
    words[i] = mix(page * 1000003ull + i) + visits[page] + 1;
  }
  ++visits[page];
}

// Reads only: leaves an Accessed bit and no Dirty bit.
static void look(unsigned page) {
  const unsigned i = page % 61;
  CHECK(page_at(page)[i] == mix(page * 1000003ull + i) + visits[page], "page %u has changed", page);
}

static unsigned resident(const uint64_t* from, unsigned pages) {
  static uint8_t seen[kPages];
  CHECK(mincore((void*)from, (size_t)pages * kPage, seen) == 0, "mincore: %m");
  unsigned count = 0;
  for (unsigned i = 0; i < pages; ++i) count += seen[i] & 1;
  return count;
}

static unsigned long long counter(const char* name) {
  FILE* in = fopen("/proc/vmstat", "r");
  CHECK(in != NULL, "/proc/vmstat: %m");
  char line[128];
  unsigned long long value = 0;
  const size_t length = strlen(name);
  while (fgets(line, sizeof line, in) != NULL) {
    if (strncmp(line, name, length) == 0 && line[length] == ' ')
      sscanf(line + length, "%llu", &value);
  }
  fclose(in);
  return value;
}

// Everything once, while a quarter is looked at again and again: that quarter should stay. It is
// more than the TLB of a small engine holds, so that a TLB miss often meets a cleared Accessed bit.
static void pass(unsigned number) {
  uint64_t seed = number;
  for (unsigned n = 0; n < kPages; ++n) {
    visit(number % 2 == 0 ? n : kPages - 1 - n);
    for (unsigned looks = 0; looks < kLooks; ++looks) {
      const unsigned hot = next_random(&seed) % kPages & ~3u;
      if (visits[hot] != 0) look(hot);
    }
  }
  remark("pass %u: resident %u of %u and %u of %u", number, resident(memory, kSomeMemoryPages),
         kSomeMemoryPages, resident(file, kFilePages), kFilePages);
}

void run_pressure(void) {
  struct sysinfo info;
  CHECK(sysinfo(&info) == 0, "sysinfo: %m");
  const unsigned long long needed = (unsigned long long)kPages * kPage;
  CHECK(info.freeram * info.mem_unit < needed, "there is memory enough: no pressure");
  CHECK((info.freeram + info.freeswap) * info.mem_unit > needed, "no swap: this would kill");
  memory =
      (uint64_t*)map(0, (size_t)kSomeMemoryPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
  const int fd = open("/tmp/pressure", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  CHECK(fd >= 0 && ftruncate(fd, (off_t)kFilePages * kPage) == 0, "/tmp/pressure: %m");
  file = (uint64_t*)map(0, (size_t)kFilePages * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd);

  const char* const names[] = {"pswpin",       "pswpout",       "pgactivate",
                               "pgdeactivate", "pgscan_direct", "pgscan_kswapd"};
  unsigned long long before[6], grown[6];
  for (unsigned i = 0; i < 6; ++i) before[i] = counter(names[i]);
  for (unsigned number = 0; number < kPasses; ++number) pass(number);
  for (unsigned i = 0; i < 6; ++i) {
    grown[i] = counter(names[i]) - before[i];
    remark("%s %llu", names[i], grown[i]);
  }
  CHECK(grown[0] > 1000 && grown[1] > 1000, "hardly a page was swapped: no pressure");

  for (unsigned page = 0; page < kPages; ++page) {
    const unsigned i = page % 61;
    CHECK(visits[page] == kPasses, "page %u was forgotten", page);
    note(page_at(page)[i]);
  }
  munmap(memory, (size_t)kSomeMemoryPages * kPage), munmap(file, (size_t)kFilePages * kPage);
  CHECK(close(fd) == 0 && unlink("/tmp/pressure") == 0, "/tmp/pressure: %m");
}
