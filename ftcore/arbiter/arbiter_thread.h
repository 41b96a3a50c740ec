// Asks an arbiter on a thread of its own, because shared storage may block for ever (a hard NFS
// mount, a dead disk). The owner gets an answer within the timeout, if need be "unknown", as an
// event of its poll loop.
//
//   idle --ask--> waiting --answer--> idle
//                 waiting --timeout--> abandoned        (the owner is told unknown or unreachable)
//   abandoned --the same ask--> waiting                 (adopts the call that is still running)
//   abandoned --another ask--> waiting, queued behind   (starts when the blocked call returns)
//   abandoned --answer--> idle      (told after all if nothing else was asked meanwhile)
//
// It does not retry by itself: whether an unknown is worth another try is the protocol's decision.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <variant>

#include "emulator/base/scoped_fd.h"
#include "ftcore/arbiter/arbiter.h"

namespace ftvm::ftcore {

/// What an arbiter is asked.
struct ArbiterCall {
  enum class Kind : std::uint8_t { kOpen, kTestAndSet };
  Kind kind = Kind::kOpen;
  Uuid pair;
  Epoch epoch;
  Uuid incarnation;
  bool operator==(const ArbiterCall&) const = default;
};

struct ArbiterEvent {
  ArbiterCall call;
  /// SlotAnswer of kOpen, ArbiterAnswer of kTestAndSet.
  std::variant<SlotAnswer, ArbiterAnswer> answer;
  bool timed_out = false;  // The call itself is still running.
  bool late = false;       // It had been reported as timed out before.
  std::string reason;      // For people.
};

/// Threading: owned and called by one thread. Lifetime: may be destroyed (and the process may end)
/// while a call is blocked; the thread then keeps what it needs until the call returns.
class ArbiterThread {
 public:
  struct Options {
    std::uint32_t timeout_ms = 5000;  // Range: 1 to kTimeoutMsMax.
  };
  static constexpr std::uint32_t kTimeoutMsMax = 3'600'000;

  /// Errors: kUsage for the timeout, kIo when the host has no descriptors or threads left.
  static Result<std::unique_ptr<ArbiterThread>> start(std::unique_ptr<Arbiter> arbiter,
                                                      Options options);
  ~ArbiterThread();
  ArbiterThread(const ArbiterThread&) = delete;
  ArbiterThread& operator=(const ArbiterThread&) = delete;

  /// Every ask that returns true is answered by exactly one event that is not `late`. Returns false
  /// while an earlier one is unanswered.
  [[nodiscard]] bool ask(const ArbiterCall& call);

  /// True between an ask and its event.
  [[nodiscard]] bool waiting() const { return awaited_.has_value(); }

  /// Readable when poll() may have something. Lifetime: owned by this object.
  [[nodiscard]] int descriptor() const { return epoll_.get(); }

  /// The next event, if any; never blocks.
  std::optional<ArbiterEvent> poll();

  /// The arbiter's describe(), taken at the start.
  [[nodiscard]] const std::string& describe() const { return describe_; }

 private:
  struct Shared;
  ArbiterThread(std::shared_ptr<Shared> shared, Options options);
  Status set_up();
  Status arm_timer(std::uint32_t timeout_ms);
  static void run(const std::shared_ptr<Shared>& shared);
  /// Forgets all queued answers but a useful one of `call`; true when there is one.
  bool keep_answer_of(const ArbiterCall& call);
  std::optional<ArbiterEvent> take_answer();
  std::optional<ArbiterEvent> take_timeout();

  /// With the thread, which may outlive this object: neither side can be the only owner.
  std::shared_ptr<Shared> shared_;
  Options options_;
  std::string describe_;
  ScopedFd timer_;
  ScopedFd epoll_;
  std::thread thread_;
  std::optional<ArbiterCall> awaited_;    // Asked and not yet answered.
  std::optional<ArbiterCall> abandoned_;  // Reported as timed out, still worth an answer.
};

}  // namespace ftvm::ftcore
