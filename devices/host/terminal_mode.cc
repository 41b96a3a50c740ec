#include "devices/host/terminal_mode.h"

#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "emulator/base/assert.h"

namespace ftvm::devices::host {
namespace {

// What a signal handler must find. Written while raw_fd is -1, read while it is not.
std::atomic<int> raw_fd{-1};
termios mode_before;
termios mode_raw;
static_assert(std::atomic<int>::is_always_lock_free, "read in signal handlers");

/// The kernel stops a background job that touches its terminal, and the mode belongs to the job in
/// front. A terminal that does not control this process (-1) has no jobs.
bool in_foreground(int fd) {
  const pid_t front = ::tcgetpgrp(fd);
  return front < 0 || front == ::getpgrp();
}

void restore_terminal() {
  const int fd = raw_fd.load();
  if (fd >= 0 && in_foreground(fd)) ::tcsetattr(fd, TCSANOW, &mode_before);
}

/// The action was reset to the default when the handler was entered, so the signal now does what it
/// would have done without us.
void on_last_signal(int signal_number) {
  restore_terminal();
  ::raise(signal_number);
}

/// After Ctrl-Z of another sort (SIGSTOP, SIGTSTP) and `fg`, the shell has set its own mode.
void on_continue(int) {
  const int errno_before = errno;
  const int fd = raw_fd.load();
  if (fd >= 0 && in_foreground(fd)) ::tcsetattr(fd, TCSANOW, &mode_raw);
  errno = errno_before;
}

/// A handler somebody else has installed is left alone: whoever did will end by a destructor.
void handle_if_default(int signal_number, void (*handler)(int), int flags) {
  struct sigaction now {};
  if (::sigaction(signal_number, nullptr, &now) != 0) return;
  if ((now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL) return;
  struct sigaction ours {};
  ours.sa_handler = handler;
  ours.sa_flags = flags;
  ::sigemptyset(&ours.sa_mask);
  ::sigaction(signal_number, &ours, nullptr);
}

void handle_signals() {
  for (const int last :
       {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE}) {
    handle_if_default(last, on_last_signal, static_cast<int>(SA_RESETHAND | SA_NODEFER));
  }
  handle_if_default(SIGCONT, on_continue, SA_RESTART);
  static const int registered = std::atexit(restore_terminal);
  (void)registered;  // Without it only a plain exit() leaves the terminal raw.
}

}  // namespace

void TerminalMode::restore_now() {
  const int errno_before = errno;
  restore_terminal();
  errno = errno_before;
}

TerminalMode::TerminalMode(int fd) {
  FTVM_ASSERT(raw_fd.load() < 0);
  if (::isatty(fd) == 0 || !in_foreground(fd)) return;
  if (::tcgetattr(fd, &mode_before) != 0) return;
  mode_raw = mode_before;
  mode_raw.c_iflag &=
      ~static_cast<tcflag_t>(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
  mode_raw.c_oflag |= OPOST;
  mode_raw.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
  mode_raw.c_cc[VMIN] = 1;
  mode_raw.c_cc[VTIME] = 0;
  raw_fd.store(fd);
  handle_signals();
  raw_ = ::tcsetattr(fd, TCSANOW, &mode_raw) == 0;
  if (!raw_) raw_fd.store(-1);
}

TerminalMode::~TerminalMode() {
  if (!raw_) return;
  restore_terminal();
  raw_fd.store(-1);
}

}  // namespace ftvm::devices::host
