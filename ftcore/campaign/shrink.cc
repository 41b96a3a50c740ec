#include "ftcore/campaign/shrink.h"

#include <array>
#include <type_traits>
#include <utility>

namespace ftvm::ftcore::campaign {
namespace {

class Shrinker {
 public:
  Shrinker(Shrunk best, const TryRun& try_run, std::size_t tries_max)
      : best_(std::move(best)), try_run_(try_run), tries_max_(tries_max) {}

  Shrunk shrink() {
    bool smaller = true;
    while (smaller && !spent()) {
      smaller = drop_faults();
      smaller |= take_toy();
      smaller |= calm_pair();
      smaller |= reduce_faults();
      smaller |=
          reduce_number([](PairRun& run) -> std::int64_t& { return run.options.run_us; }, kMs);
    }
    // The last round has tried each fault and dropped none.
    best_.minimal = !spent();
    return best_;
  }

 private:
  static constexpr std::int64_t kMs = 1'000;

  [[nodiscard]] bool spent() const { return best_.tries >= tries_max_; }

  /// Takes `run` when it breaks the same rule.
  bool take(const PairRun& run) {
    if (spent()) return false;
    ++best_.tries;
    std::optional<Failure> failure = try_run_(run);
    if (!failure || failure->rule != best_.failure.rule) return false;
    best_.run = run;
    best_.failure = std::move(*failure);
    return true;
  }
  template <class Change>
  bool change(Change change) {
    PairRun run = best_.run;
    change(run);
    return take(run);
  }

  bool drop_faults() {
    bool any = false;
    for (std::size_t i = best_.run.options.plan.size(); i-- > 0;) {
      any |= change([i](PairRun& run) {
        run.options.plan.erase(run.options.plan.begin() + static_cast<std::ptrdiff_t>(i));
      });
    }
    return any;
  }

  bool take_toy() {
    if (best_.run.guest == kToyGuest) return false;
    return change([](PairRun& run) { run.guest = kToyGuest; });
  }

  /// Everything about the pair as it is where nothing is drawn; all at once, or one by one.
  bool calm_pair() {
    const std::array<void (*)(sim::Cluster::Options&), 5> calms{
        [](auto& pair) { pair.channel = {}; }, [](auto& pair) { pair.receiver = {}; },
        [](auto& pair) { pair.arbiter = {}; },
        [](auto& pair) { pair.nodes[sim::Side::kPrimary].clock = {}; },
        [](auto& pair) { pair.nodes[sim::Side::kBackup].clock = {}; }};
    bool any = false;
    for (std::size_t i = 0; i < calms.size(); ++i) {
      if (calmed_[i]) continue;
      calmed_[i] = change([&](PairRun& run) { calms[i](run.options); });
      any |= calmed_[i];
    }
    return any;
  }

  bool reduce_faults() {
    bool any = false;
    for (std::size_t i = 0; i < best_.run.options.plan.size(); ++i) {
      const auto fault = [i](PairRun& run) -> sim::Fault& { return run.options.plan[i]; };
      if (fault(best_.run).kind == sim::FaultKind::kLoseHost) {
        any |= change([&](PairRun& run) { fault(run).kind = sim::FaultKind::kKill; });
      }
      if (fault(best_.run).moment) {
        any |= reduce_number([&](PairRun& run) -> std::uint64_t& { return fault(run).number; }, 1);
      } else {
        any |=
            reduce_number([&](PairRun& run) -> std::int64_t& { return fault(run).after_us; }, kMs);
      }
      if (sim::lasts(fault(best_.run).kind)) {
        any |= reduce_number([&](PairRun& run) -> std::int64_t& { return fault(run).for_us; }, 1);
      }
    }
    return any;
  }

  /// The smallest of the values that halving towards `least` leads to, and then the last step by
  /// the half of the half; a whole number of `least`.
  template <class NumberOf>
  bool reduce_number(const NumberOf& number_of, std::int64_t least) {
    bool any = false;
    std::int64_t step = static_cast<std::int64_t>(number_of(best_.run)) - least;
    for (; step > 0; step /= 2) {
      for (;;) {
        const auto now = static_cast<std::int64_t>(number_of(best_.run));
        const std::int64_t next = (now - step) / least * least;
        if (next < least || next >= now) break;
        const bool taken = change([&](PairRun& run) {
          number_of(run) = static_cast<std::remove_reference_t<decltype(number_of(run))>>(next);
        });
        if (!taken) break;
        any = true;
      }
    }
    return any;
  }

  Shrunk best_;
  const TryRun& try_run_;
  const std::size_t tries_max_;
  std::array<bool, 5> calmed_{};
};

}  // namespace

Shrunk shrink(const PairRun& run, const Failure& failure, const TryRun& try_run,
              std::size_t tries_max) {
  return Shrinker({.run = run, .failure = failure}, try_run, tries_max).shrink();
}

}  // namespace ftvm::ftcore::campaign
