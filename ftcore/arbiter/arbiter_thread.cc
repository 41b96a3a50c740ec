#include "ftcore/arbiter/arbiter_thread.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <csignal>
#include <exception>
#include <system_error>
#include <utility>
#include <vector>

#include "emulator/base/assert.h"
#include "emulator/base/bounded_queue.h"
#include "emulator/base/diag.h"
#include "emulator/base/thread_annotations.h"

namespace ftvm::ftcore {
namespace {

/// One call is running at a time and each gives one answer, so two would do.
constexpr std::size_t kAnswersMax = 8;

/// Signals are for the thread that owns the process; those of the caller come back at the end.
class ScopedSignalBlock {
 public:
  ScopedSignalBlock() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~ScopedSignalBlock() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  ScopedSignalBlock(const ScopedSignalBlock&) = delete;
  ScopedSignalBlock& operator=(const ScopedSignalBlock&) = delete;

 private:
  sigset_t before_{};
};

void clear_counter(int fd) {
  std::uint64_t count = 0;
  // Nothing to read is no error: poll() may be called at any time.
  [[maybe_unused]] const ssize_t got = ::read(fd, &count, sizeof count);
}

ArbiterEvent make_event(const ArbiterCall& call) {
  ArbiterEvent event;
  event.call = call;
  if (call.kind == ArbiterCall::Kind::kOpen) {
    event.answer = SlotAnswer::kUnreachable;
  } else {
    event.answer = ArbiterAnswer::kUnknown;
  }
  return event;
}

ArbiterEvent perform(Arbiter& arbiter, const ArbiterCall& call) {
  ArbiterEvent event = make_event(call);
  if (call.kind == ArbiterCall::Kind::kOpen) {
    event.answer = arbiter.open(call.pair, call.epoch, call.incarnation);
  } else {
    event.answer = arbiter.test_and_set(call.pair, call.epoch, call.incarnation);
  }
  event.reason = arbiter.reason();
  return event;
}

}  // namespace

/// What the thread touches. It outlives whichever side is gone first.
struct ArbiterThread::Shared {
  explicit Shared(std::unique_ptr<Arbiter> the_arbiter) : arbiter(std::move(the_arbiter)) {}

  const std::unique_ptr<Arbiter> arbiter;
  ScopedFd answered;  // eventfd; written once per entry of `answers`.
  BoundedQueue<ArbiterEvent> answers{kAnswersMax};

  Mutex mutex;
  std::condition_variable_any changed;
  std::optional<ArbiterCall> next FTVM_GUARDED_BY(mutex);     // Not yet begun.
  std::optional<ArbiterCall> running FTVM_GUARDED_BY(mutex);  // In the arbiter right now.
  bool stop FTVM_GUARDED_BY(mutex) = false;
};

Result<std::unique_ptr<ArbiterThread>> ArbiterThread::start(std::unique_ptr<Arbiter> arbiter,
                                                            Options options) {
  FTVM_ASSERT(arbiter != nullptr);
  if (options.timeout_ms < 1 || options.timeout_ms > kTimeoutMsMax) {
    return Error(ErrorCode::kUsage,
                 "arbiter timeout: use 1 to " + std::to_string(kTimeoutMsMax) + " milliseconds");
  }
  std::unique_ptr<ArbiterThread> self(
      new ArbiterThread(std::make_shared<Shared>(std::move(arbiter)), options));
  if (Status status = self->set_up(); !status) {
    return std::move(status.error().context("start the arbiter's thread"));
  }
  return self;
}

ArbiterThread::ArbiterThread(std::shared_ptr<Shared> shared, Options options)
    : shared_(std::move(shared)), options_(options), describe_(shared_->arbiter->describe()) {}

Status ArbiterThread::set_up() {
  shared_->answered.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  timer_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!shared_->answered || !timer_ || !epoll_) return error_from_errno("create a descriptor");
  for (const int fd : {shared_->answered.get(), timer_.get()}) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return error_from_errno("epoll");
  }
  try {
    const ScopedSignalBlock no_signals;
    thread_ = std::thread([shared = shared_] { run(shared); });
  } catch (const std::system_error& error) {
    return Error(ErrorCode::kIo, error.what());
  }
  return {};
}

ArbiterThread::~ArbiterThread() {
  if (!thread_.joinable()) return;
  bool blocked = false;
  {
    const MutexLock lock(shared_->mutex);
    shared_->stop = true;
    shared_->next.reset();
    blocked = shared_->running.has_value();
  }
  shared_->changed.notify_all();
  if (blocked) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

void ArbiterThread::run(const std::shared_ptr<Shared>& shared) {
  for (;;) {
    ArbiterCall call;
    {
      const MutexLock lock(shared->mutex);
      while (!shared->stop && !shared->next) shared->changed.wait(shared->mutex);
      if (shared->stop) return;
      call = *shared->next;
      shared->running = call;
      shared->next.reset();
    }
    ArbiterEvent event = perform(*shared->arbiter, call);
    {
      const MutexLock lock(shared->mutex);
      shared->running.reset();
      if (shared->stop) return;
      // Under the mutex, so that ask() sees a call either running or answered.
      const bool queued = shared->answers.try_push(std::move(event));
      FTVM_ASSERT(queued);
      const std::uint64_t one = 1;
      [[maybe_unused]] const ssize_t put = ::write(shared->answered.get(), &one, sizeof one);
    }
  }
}

Status ArbiterThread::arm_timer(std::uint32_t timeout_ms) {
  itimerspec spec{};  // All zero disarms.
  spec.it_value.tv_sec = timeout_ms / 1000;
  spec.it_value.tv_nsec = static_cast<long>(timeout_ms % 1000) * 1'000'000;
  if (::timerfd_settime(timer_.get(), 0, &spec, nullptr) != 0) return error_from_errno("timer");
  return {};
}

bool ArbiterThread::keep_answer_of(const ArbiterCall& call) {
  std::vector<ArbiterEvent> answers;
  shared_->answers.drain(answers);
  for (ArbiterEvent& event : answers) {
    // An old "unknown" is worth less than a new try.
    if (event.call != call || event.answer == make_event(call).answer) continue;
    const bool kept = shared_->answers.try_push(std::move(event));
    FTVM_ASSERT(kept);
    return true;
  }
  return false;
}

bool ArbiterThread::ask(const ArbiterCall& call) {
  if (awaited_) return false;
  awaited_ = call;
  // From here on only this call matters; the late answer of another one no longer does.
  abandoned_.reset();
  const Status armed = arm_timer(options_.timeout_ms);
  FTVM_ASSERT(armed.has_value());
  {
    const MutexLock lock(shared_->mutex);
    // The same call may still be running, or have been answered since: that answer will do. What
    // was queued and never begun is forgotten, and so are the answers of other calls.
    const bool found = shared_->running == call || keep_answer_of(call);
    shared_->next.reset();
    if (!found) shared_->next = call;
  }
  shared_->changed.notify_all();
  return true;
}

std::optional<ArbiterEvent> ArbiterThread::take_answer() {
  for (;;) {
    std::optional<ArbiterEvent> event = shared_->answers.try_pop();
    if (!event) {
      // Cleared only when the queue is empty, and then the queue is looked at once more: an answer
      // that came in between has either been seen here or set the counter again.
      clear_counter(shared_->answered.get());
      event = shared_->answers.try_pop();
    }
    if (!event) return std::nullopt;
    if (awaited_ == event->call) {
      awaited_.reset();
      const Status disarmed = arm_timer(0);
      FTVM_ASSERT(disarmed.has_value());
      clear_counter(timer_.get());
      return event;
    }
    if (abandoned_ == event->call) {
      abandoned_.reset();
      event->late = true;
      // "Unknown" was already said when the time was up.
      const bool news = event->answer != make_event(event->call).answer;
      if (news) return event;
    }
    FTVM_DIAG(kInfo, "arbiter.late").kv("epoch", event->call.epoch.value).kv("why", event->reason);
  }
}

std::optional<ArbiterEvent> ArbiterThread::take_timeout() {
  std::uint64_t expirations = 0;
  if (::read(timer_.get(), &expirations, sizeof expirations) != sizeof expirations) {
    return std::nullopt;
  }
  if (!awaited_) return std::nullopt;
  ArbiterEvent event = make_event(*awaited_);
  event.timed_out = true;
  event.reason = describe_ + ": no answer within " + std::to_string(options_.timeout_ms) + " ms";
  abandoned_ = std::exchange(awaited_, std::nullopt);
  return event;
}

std::optional<ArbiterEvent> ArbiterThread::poll() {
  if (std::optional<ArbiterEvent> event = take_answer()) return event;
  return take_timeout();
}

}  // namespace ftvm::ftcore
