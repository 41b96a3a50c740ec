// Bugs that a test plants in a machine, to see that they are found. A plant is of the thread that
// runs the machine: of two machines in one process, one has it. They exist only in builds with
// FTVM_TEST_POINTS; anywhere else no machine has any.
#pragma once

#include <cstdint>

namespace ftvm {

enum class PlantedBug : std::uint8_t {
  kNone,
  kRepCount,          // A REP that is stepped to its end counts one instruction less.
  kStaleTranslation,  // Code that changes goes on as it was translated.
  kInterruptLate,     // Some interrupts come one instruction late.
};

#ifdef FTVM_TEST_POINTS
inline thread_local PlantedBug planted_bug = PlantedBug::kNone;
inline bool planted(PlantedBug bug) {
  return planted_bug == bug;
}
inline void plant(PlantedBug bug) {
  planted_bug = bug;
}
#else
constexpr bool planted(PlantedBug /*bug*/) {
  return false;
}
constexpr void plant(PlantedBug /*bug*/) {}
#endif

}  // namespace ftvm
