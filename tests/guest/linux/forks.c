// A storm of processes: pipelines, trees, exec, orphans. What comes through the pipes and the exit
// codes is known beforehand, whatever the order in which the processes run.
#define _GNU_SOURCE
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/guest/linux/corpus.h"

extern char** environ;

static int new_process(void) {
  const int child = fork();
  CHECK(child >= 0, "fork: %m");
  return child;
}

static void new_pipe(int ends[2]) {
  CHECK(pipe(ends) == 0, "pipe: %m");
}

// Bytes go through eight processes, each of which changes them.
static void pipeline(unsigned round) {
  enum { kStages = 8, kBytes = 40000, kChunk = 1000 };
  int children[kStages + 1], input = -1, ends[2];
  for (unsigned stage = 0; stage <= kStages; ++stage) {
    new_pipe(ends);
    children[stage] = new_process();
    if (children[stage] == 0) {
      uint8_t chunk[kChunk];
      uint64_t seed = round;
      close(ends[0]);
      for (unsigned done = 0; done < kBytes; done += kChunk) {
        if (stage != 0) read_all(input, chunk, kChunk);
        for (unsigned i = 0; i < kChunk; ++i) {
          chunk[i] = stage == 0 ? (uint8_t)next_random(&seed) : (uint8_t)(chunk[i] * 5 + stage);
        }
        write_all(ends[1], chunk, kChunk);
      }
      _exit((int)(stage + 20));
    }
    close(ends[1]);
    if (input >= 0) close(input);
    input = ends[0];
  }
  uint8_t bytes[kBytes];
  uint64_t seed = round;
  read_all(input, bytes, kBytes);
  for (unsigned i = 0; i < kBytes; ++i) {
    uint8_t expected = (uint8_t)next_random(&seed);
    for (unsigned stage = 1; stage <= kStages; ++stage) expected = (uint8_t)(expected * 5 + stage);
    CHECK(bytes[i] == expected, "pipeline: byte %u of round %u", i, round);
    if (i % 1000 == 0) note(bytes[i]);
  }
  CHECK(read(input, bytes, 1) == 0, "pipeline: more bytes than went in");
  close(input);
  for (unsigned stage = 0; stage <= kStages; ++stage) {
    expect_exit(children[stage], (int)stage + 20, "stage of a pipeline");
  }
}

// Children at once, each with a copy of the parent's memory that it changes.
static void storm(unsigned round) {
  enum { kChildren = 24, kWords = 8192 };
  static uint64_t words[kWords];
  for (unsigned i = 0; i < kWords; ++i) words[i] = mix(round * kWords + i);
  int children[kChildren], ends[2];
  new_pipe(ends);
  for (unsigned id = 0; id < kChildren; ++id) {
    children[id] = new_process();
    if (children[id] != 0) continue;
    for (unsigned i = id; i < kWords; i += 97) words[i] += id + 1;
    uint64_t answer[2] = {id, 0};
    for (unsigned i = 0; i < kWords; ++i) answer[1] = answer[1] * 3 + words[i];
    write_all(ends[1], answer, sizeof answer);  // Less than PIPE_BUF: whole.
    _exit((int)id);
  }
  uint64_t answers[kChildren] = {0};
  for (unsigned i = 0; i < kChildren; ++i) {
    uint64_t answer[2];
    read_all(ends[0], answer, sizeof answer);
    CHECK(answer[0] < kChildren && answers[answer[0]] == 0, "storm: an answer of nobody");
    answers[answer[0]] = answer[1];
  }
  close(ends[0]), close(ends[1]);
  for (unsigned id = 0; id < kChildren; ++id) {
    expect_exit(children[id], (int)id, "child of a storm");
    uint64_t expected = 0;
    for (unsigned i = 0; i < kWords; ++i) {
      const int changed = i >= id && (i - id) % 97 == 0;
      expected = expected * 3 + words[i] + (changed ? id + 1 : 0);
    }
    CHECK(answers[id] == expected, "storm: answer of child %u in round %u", id, round);
    note(expected);
  }
}

// A tree of processes; each adds what its children report.
static unsigned tree(unsigned depth, unsigned number) {
  if (depth == 0) return number;
  unsigned sum = number;
  int ends[2], children[2];
  new_pipe(ends);
  for (unsigned side = 0; side < 2; ++side) {
    children[side] = new_process();
    if (children[side] == 0) {
      close(ends[0]);
      const unsigned below = tree(depth - 1, number * 2 + side);
      write_all(ends[1], &below, sizeof below);
      _exit(0);
    }
  }
  for (unsigned side = 0; side < 2; ++side) {
    unsigned below = 0;
    read_all(ends[0], &below, sizeof below);
    sum += below;
  }
  close(ends[0]), close(ends[1]);
  for (unsigned side = 0; side < 2; ++side) expect_exit(children[side], 0, "child of a tree");
  return sum;
}

int leaf_code(unsigned n) {
  return (int)(mix(n) % 200);
}

void run_leaf(unsigned n) {
  uint8_t* page = map(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
  for (unsigned i = 0; i < 4096; ++i) CHECK(page[i] == 0, "leaf: memory that is not empty");
  _exit(leaf_code(n));
}

// This program again, by fork and exec and by what posix_spawn makes of it.
static void other_programs(void) {
  for (unsigned n = 0; n < 40; ++n) {
    char number[16];
    snprintf(number, sizeof number, "%u", n);
    char* arguments[] = {"corpus", "leaf", number, NULL};
    int child = 0;
    if (n % 2 == 0) {
      child = new_process();
      if (child == 0) execv("/proc/self/exe", arguments), _exit(255);
    } else {
      errno = posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ);
      CHECK(errno == 0, "posix_spawn: %m");
    }
    expect_exit(child, leaf_code(n), "leaf");
    note((uint64_t)leaf_code(n));
  }
}

// Grandchildren whose parents end first come to us.
static void orphans(void) {
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "prctl: %m");
  int gate[2];
  new_pipe(gate);
  for (unsigned n = 0; n < 20; ++n) {
    const int child = new_process();
    if (child == 0) {
      if (new_process() != 0) _exit(1);
      uint8_t byte;
      read_all(gate[0], &byte, 1);
      _exit(100);
    }
    expect_exit(child, 1, "parent of an orphan");
  }
  write_all(gate[1], "01234567890123456789", 20);
  for (unsigned n = 0; n < 20; ++n) expect_exit(-1, 100, "orphan");
}

void run_forks(void) {
  for (unsigned round = 0; round < 6; ++round) pipeline(round);
  for (unsigned round = 0; round < 12; ++round) storm(round);
  const unsigned sum = tree(6, 1);
  CHECK(sum == 127 * 128 / 2, "tree: the sum is %u", sum);
  note(sum);
  other_programs();
  orphans();
  CHECK(wait(NULL) == -1 && errno == ECHILD, "a child too many");
}
