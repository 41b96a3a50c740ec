// Threads that move bytes take no signals: handlers run on the threads that expect them, and a
// write to a closed pipe is an error code instead of the end of the process.
#pragma once

#include <csignal>
#include <thread>
#include <utility>

namespace ftvm::devices::host {

/// Starts a thread with all signals blocked, except those that a thread raises by its own faults.
template <class Function>
std::thread start_host_thread(Function&& function) {
  sigset_t blocked, before;
  ::sigfillset(&blocked);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) ::sigdelset(&blocked, fault);
  ::pthread_sigmask(SIG_SETMASK, &blocked, &before);
  std::thread thread(std::forward<Function>(function));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace ftvm::devices::host
