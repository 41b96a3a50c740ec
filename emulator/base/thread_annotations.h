// Locking rules that clang checks at compile time (-Wthread-safety), and the mutex that carries
// them. With g++ the macros vanish.
//
// Source: clang documentation, "Thread Safety Analysis".
#pragma once

#include <mutex>

#if defined(__clang__)
#define FTVM_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define FTVM_THREAD_ATTRIBUTE(x)
#endif

/// The member may be touched only while the mutex is held.
#define FTVM_GUARDED_BY(mutex) FTVM_THREAD_ATTRIBUTE(guarded_by(mutex))
/// The caller of the function holds the mutex, or does not.
#define FTVM_REQUIRES(...) FTVM_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define FTVM_EXCLUDES(...) FTVM_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
/// For the definitions of lock types themselves.
#define FTVM_CAPABILITY(name) FTVM_THREAD_ATTRIBUTE(capability(name))
#define FTVM_SCOPED_CAPABILITY FTVM_THREAD_ATTRIBUTE(scoped_lockable)
#define FTVM_ACQUIRE(...) FTVM_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define FTVM_TRY_ACQUIRE(...) FTVM_THREAD_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define FTVM_RELEASE(...) FTVM_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))

namespace ftvm {

/// std::mutex that clang understands. It is a Lockable, so std::condition_variable_any waits on it.
class FTVM_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  void lock() FTVM_ACQUIRE() { mutex_.lock(); }
  bool try_lock() FTVM_TRY_ACQUIRE(true) { return mutex_.try_lock(); }
  void unlock() FTVM_RELEASE() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

/// Holds a Mutex from construction to the end of the scope.
class FTVM_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) FTVM_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() FTVM_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace ftvm
