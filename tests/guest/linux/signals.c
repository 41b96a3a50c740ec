// Signals of all kinds: from faults, single steps, timers, other threads. What a handler is told,
// and what the interrupted code finds afterwards, is known beforehand; how long it took is not
// asked.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/guest/linux/corpus.h"

enum { kPage = 4096, kTrapFlag = 0x100 };

static void handle(int number, void (*handler)(int, siginfo_t*, void*), int flags) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
  CHECK(sigaction(number, &action, NULL) == 0, "sigaction: %m");
}

// --- faults: the handler leaves by a jump

static sigjmp_buf behind_fault;
static siginfo_t fault_told;

static void on_fault(int number, siginfo_t* info, void* context) {
  (void)number, (void)context;
  fault_told = *info;
  siglongjmp(behind_fault, 1);
}

static volatile int zero = 0;
static void divide(uint8_t* p) {
  *p = (uint8_t)(1000 / zero);
}
static void overflow(uint8_t* p) {
  (void)p;
  __asm__ volatile("idivl %%ecx" : : "a"(0x80000000), "d"(-1), "c"(-1) : "cc");
}
static void undefined(uint8_t* p) {
  __asm__ volatile("ud2" ::"r"(p));
}
static void trap(uint8_t* p) {
  __asm__ volatile("int3" ::"r"(p));
}
static void privileged(uint8_t* p) {
  __asm__ volatile("hlt" ::"r"(p));
}
static void read_byte(uint8_t* p) {
  (void)*(volatile uint8_t*)p;
}
static void write_byte(uint8_t* p) {
  *(volatile uint8_t*)p = 1;
}
static void execute(uint8_t* p) {
  ((void (*)(void))p)();
}
static void fill(uint8_t* p) {  // Ends in the middle of a REP.
  size_t count = 300;
  p -= 100;
  __asm__ volatile("rep stosb" : "+D"(p), "+c"(count) : "a"(1) : "memory");
}

static void faults(void) {
  const int fd = memfd_create("short", 0);
  CHECK(fd >= 0 && ftruncate(fd, kPage) == 0, "memfd: %m");
  uint8_t* file = map(0, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  uint8_t* none = map(0, kPage, PROT_NONE, MAP_PRIVATE, -1);
  uint8_t* data = map(0, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
  CHECK(mprotect(data + kPage, kPage, PROT_READ) == 0, "mprotect: %m");
  const struct {
    const char* name;
    void (*run)(uint8_t*);
    uint8_t* at;  // Also what the handler is told, if not null.
    int signal, code;
  } kinds[] = {
      {"division by zero", divide, NULL, SIGFPE, FPE_INTDIV},
      {"division overflow", overflow, NULL, SIGFPE, FPE_INTDIV},
      {"undefined instruction", undefined, NULL, SIGILL, ILL_ILLOPN},
      {"breakpoint", trap, NULL, SIGTRAP, SI_KERNEL},
      {"privileged instruction", privileged, NULL, SIGSEGV, SI_KERNEL},
      {"read of nothing", read_byte, (uint8_t*)64, SIGSEGV, SEGV_MAPERR},
      {"read of a closed page", read_byte, none + 5, SIGSEGV, SEGV_ACCERR},
      {"write to a constant", write_byte, data + kPage + 9, SIGSEGV, SEGV_ACCERR},
      {"fill into a constant", fill, data + kPage, SIGSEGV, SEGV_ACCERR},
      {"execution of data", execute, data + 3, SIGSEGV, SEGV_ACCERR},
      {"read behind a file", read_byte, file + kPage + 1, SIGBUS, BUS_ADRERR},
      {"address that is none", read_byte, (uint8_t*)0x8000000000000000, SIGSEGV, SI_KERNEL},
  };
  const int signals[] = {SIGFPE, SIGILL, SIGTRAP, SIGSEGV, SIGBUS};
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; ++i) handle(signals[i], on_fault, 0);
  for (volatile unsigned round = 0; round < 200; ++round) {
    for (volatile unsigned i = 0; i < sizeof kinds / sizeof *kinds; ++i) {
      if (sigsetjmp(behind_fault, 1) == 0) {
        kinds[i].run(kinds[i].at);
        fail("%s goes through", kinds[i].name);
      }
      CHECK(fault_told.si_signo == kinds[i].signal && fault_told.si_code == kinds[i].code,
            "%s: signal %d, code %d", kinds[i].name, fault_told.si_signo, fault_told.si_code);
      const int has_address = kinds[i].at != NULL && kinds[i].code != SI_KERNEL;
      CHECK(!has_address || fault_told.si_addr == kinds[i].at, "%s: at %p, not %p", kinds[i].name,
            fault_told.si_addr, (void*)kinds[i].at);
      note((uint64_t)fault_told.si_signo * 100000 + (unsigned)fault_told.si_code);
    }
    for (unsigned i = 0; i < 100; ++i) CHECK(data[kPage - 100 + i] == 1, "a fill left a hole");
    memset(data, 0, kPage);
  }
  munmap(file, 2 * kPage), munmap(none, kPage), munmap(data, 2 * kPage), close(fd);
}

// --- single steps

static unsigned steps;
static uint64_t step_sum;

static void on_step(int number, siginfo_t* info, void* context) {
  (void)number;
  CHECK(info->si_code == TRAP_TRACE, "single step: code %d", info->si_code);
  ++steps;
  step_sum = step_sum * 31 + (uint64_t)((ucontext_t*)context)->uc_mcontext.gregs[REG_RCX];
}

static void single_steps(void) {
  handle(SIGTRAP, on_step, 0);
  for (unsigned round = 1; round <= 60; ++round) {
    steps = 0, step_sum = 0;
    uint64_t turns = round;
    __asm__ volatile(
        "pushfq; orq %1, (%%rsp); popfq\n"
        "1: dec %0; jnz 1b\n"
        "pushfq; andq %2, (%%rsp); popfq"
        : "+c"(turns)
        : "i"(kTrapFlag), "i"(~kTrapFlag)
        : "cc", "memory");
    // Two a turn, and the two before the last: POPFQ itself is traced by the flags before it.
    CHECK(steps == 2 * round + 3, "single steps: %u in %u turns", steps, round);
    note(step_sum);
  }
}

// --- a stack that overflows, and the handler on another one

static uint8_t other_stack[64 * 1024];
static void* overflowed_at;

static void on_overflow(int number, siginfo_t* info, void* context) {
  (void)number, (void)context;
  const uint8_t* here = __builtin_frame_address(0);
  CHECK(here > other_stack && here < other_stack + sizeof other_stack, "handler on a wrong stack");
  overflowed_at = info->si_addr;
  siglongjmp(behind_fault, 1);
}

// Deeper than any stack is.
static unsigned recurse(volatile uint8_t* above, unsigned depth) {
  volatile uint8_t frame[512];
  frame[0] = above[0];
  return depth == 0 ? 0 : recurse(frame, depth - 1) + frame[0];
}

static void* overflow_stack(void* unused) {
  const stack_t other = {.ss_sp = other_stack, .ss_size = sizeof other_stack};
  CHECK(sigaltstack(&other, NULL) == 0, "sigaltstack: %m");
  volatile uint8_t first[1] = {1};
  for (volatile unsigned round = 0; round < 20; ++round) {
    overflowed_at = NULL;
    if (sigsetjmp(behind_fault, 1) == 0) recurse(first, 1u << 20);
    CHECK((uint8_t*)overflowed_at < (uint8_t*)first, "overflow: fault above the stack");
    note(1);
  }
  return unused;
}

// --- timers: the code they interrupt must not notice

static atomic_uint alarms;

static void on_alarm(int number, siginfo_t* info, void* context) {
  (void)number, (void)info, (void)context;
  // All that a handler may use and the interrupted code was using.
  __asm__ volatile(
      "fninit; fld1; fldpi; faddp; fstp %%st(0)\n"
      "pxor %%xmm0, %%xmm0; pxor %%xmm1, %%xmm1; pxor %%xmm2, %%xmm2; pxor %%xmm3, %%xmm3\n"
      "pxor %%xmm4, %%xmm4; pxor %%xmm5, %%xmm5; pxor %%xmm6, %%xmm6; pxor %%xmm15, %%xmm15" ::
          : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm15");
  atomic_fetch_add(&alarms, 1);
}

static uint64_t work(void) {
  double series = 0;
  long double product = 1;
  uint64_t sum = 0;
  for (unsigned i = 1; i < 2000; ++i) {
    series += 1.0 / (double)i / (double)i;
    product *= 1.001L;
    sum = mix(sum + i);
  }
  uint64_t bits[2] = {0};
  memcpy(&bits[0], &series, 8);
  memcpy(&bits[1], &product, 8);
  return sum ^ bits[0] ^ bits[1];
}

static void timers(void) {
  const uint64_t expected = work();
  const int kinds[][2] = {
      {ITIMER_REAL, SIGALRM}, {ITIMER_VIRTUAL, SIGVTALRM}, {ITIMER_PROF, SIGPROF}};
  for (unsigned i = 0; i < 3; ++i) {
    handle(kinds[i][1], on_alarm, SA_RESTART);
    atomic_store(&alarms, 0);
    const struct itimerval often = {{0, 1500}, {0, 1500}}, never = {{0, 0}, {0, 0}};
    CHECK(setitimer(kinds[i][0], &often, NULL) == 0, "setitimer: %m");
    while (atomic_load(&alarms) < 12) {
      const uint64_t value = work();
      CHECK(value == expected, "interrupted work gives %llx, not %llx", (unsigned long long)value,
            (unsigned long long)expected);
    }
    CHECK(setitimer(kinds[i][0], &never, NULL) == 0, "setitimer: %m");
    note(expected);
  }
}

// A blocked read is interrupted, or is taken up again, as the handler's flags say.
static int alarm_feeds = -1;

static void on_feeding_alarm(int number, siginfo_t* info, void* context) {
  on_alarm(number, info, context);
  if (alarm_feeds >= 0) write_all(alarm_feeds, "x", 1);
}

static void interrupted_reads(void) {
  int ends[2];
  CHECK(pipe(ends) == 0, "pipe: %m");
  for (unsigned round = 0; round < 10; ++round) {
    const int restarts = round % 2;
    alarm_feeds = restarts ? ends[1] : -1;
    handle(SIGALRM, on_feeding_alarm, restarts ? SA_RESTART : 0);
    const struct itimerval once = {{0, 0}, {0, 6000}};
    CHECK(setitimer(ITIMER_REAL, &once, NULL) == 0, "setitimer: %m");
    char byte = 0;
    errno = 0;
    const ssize_t got = read(ends[0], &byte, 1);
    if (restarts) CHECK(got == 1 && byte == 'x', "a read was not taken up again: %m");
    if (!restarts) CHECK(got == -1 && errno == EINTR, "a read was not interrupted: %m");
    note((uint64_t)got);
  }
  close(ends[0]), close(ends[1]);
}

// --- threads

enum { kThreads = 5, kLaps = 100 };
static pthread_t ring[kThreads];
static atomic_uint passed;

static void* ring_member(void* number_of_this) {
  const unsigned self = (unsigned)(uintptr_t)number_of_this, next = (self + 1) % kThreads;
  sigset_t set;
  sigemptyset(&set), sigaddset(&set, SIGUSR1);
  for (unsigned lap = 0; lap < kLaps; ++lap) {
    int number = 0;
    CHECK(sigwait(&set, &number) == 0 && number == SIGUSR1, "sigwait gives %d", number);
    const unsigned turn = atomic_fetch_add(&passed, 1);
    CHECK(turn == lap * kThreads + self, "ring: turn %u is out of order", turn);
    if (turn + 1 < kThreads * kLaps) CHECK(pthread_kill(ring[next], SIGUSR1) == 0, "pthread_kill");
  }
  return NULL;
}

// A signal goes round; everybody else waits.
static void thread_ring(void) {
  sigset_t set;
  sigemptyset(&set), sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  atomic_store(&passed, 0);
  for (uintptr_t i = 0; i < kThreads; ++i) {
    CHECK(pthread_create(&ring[i], NULL, ring_member, (void*)i) == 0, "pthread_create");
  }
  CHECK(pthread_kill(ring[0], SIGUSR1) == 0, "pthread_kill");
  for (unsigned i = 0; i < kThreads; ++i) CHECK(pthread_join(ring[i], NULL) == 0, "pthread_join");
  note(atomic_load(&passed));
}

static atomic_uint poked, stop_working;
static pthread_t worker;

static void on_poke(int number, siginfo_t* info, void* context) {
  (void)number, (void)info, (void)context;
  CHECK(pthread_equal(pthread_self(), worker), "a signal for another thread");
  atomic_fetch_add(&poked, 1);
}

static void* work_on(void* expected) {
  while (!atomic_load(&stop_working)) {
    CHECK(work() == *(const uint64_t*)expected, "a signal of a thread disturbs another's work");
  }
  return NULL;
}

// A thread at work is interrupted by another one, again and again.
static void pokes(void) {
  const uint64_t expected = work();
  handle(SIGUSR2, on_poke, 0);
  CHECK(pthread_create(&worker, NULL, work_on, (void*)&expected) == 0, "pthread_create");
  for (unsigned i = 0; i < 100; ++i) {
    CHECK(pthread_kill(worker, SIGUSR2) == 0, "pthread_kill");
    while (atomic_load(&poked) == i) sched_yield();
  }
  atomic_store(&stop_working, 1);
  CHECK(pthread_join(worker, NULL) == 0, "pthread_join");
  note(atomic_load(&poked));
}

// Queued signals keep their number and their order.
static void queue(void) {
  sigset_t set;
  sigemptyset(&set), sigaddset(&set, SIGRTMIN);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 30; ++i) {
      const union sigval value = {.sival_int = round * 30 + i};
      CHECK(sigqueue(getpid(), SIGRTMIN, value) == 0, "sigqueue: %m");
    }
    for (int i = 0; i < 30; ++i) {
      siginfo_t info;
      CHECK(sigwaitinfo(&set, &info) == SIGRTMIN, "sigwaitinfo: %m");
      CHECK(info.si_value.sival_int == round * 30 + i, "queue: %d is out of order",
            info.si_value.sival_int);
      note((uint64_t)info.si_value.sival_int);
    }
  }
}

void run_signals(void) {
  faults();
  single_steps();
  handle(SIGSEGV, on_overflow, SA_ONSTACK);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, overflow_stack, NULL) == 0, "pthread_create");
  CHECK(pthread_join(thread, NULL) == 0, "pthread_join");
  timers();
  interrupted_reads();
  thread_ring();
  pokes();
  queue();
}
