// Random programs on both engines, plain and in slices: whatever they do, every way of running them
// must end in the same state. Not a test of the instructions themselves, which are the library's.
//
// FTVM_RANDOM_SEEDS=first:count runs other seeds than the usual few.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/guest/guest_machine.h"
#include "tests/guest/random_program.h"
#include "tests/guest/ways_world.h"

namespace ftvm::test {
namespace {

constexpr Tick kStop{60'000};

/// The guest of random.S with a program in it.
Bytes image_for(std::uint64_t seed) {
  Bytes image = guest_image("random");
  const auto find = [&](const std::string& text) {
    const auto at = std::search(image.begin(), image.end(), text.begin(), text.end());
    EXPECT_NE(at, image.end()) << text;
    return static_cast<std::size_t>(at - image.begin()) + text.size();
  };
  const std::size_t seed_at = find("random: ");
  const std::size_t program_at = (find("program:") + 4095) / 4096 * 4096;
  store_le<std::uint64_t>(&image[seed_at], seed * 77 + 1);
  store_le<std::uint64_t>(&image[seed_at + 8], seed % 3 == 0 ? 1 : 0);  // In the kernel.
  const RandomProgram program(seed, boot::kFlatImageAt + program_at);
  std::copy(program.code().begin(), program.code().end(),
            image.begin() + static_cast<long>(program_at));
  return image;
}

struct Outcome {
  EndReason reason;
  Tick at;
  std::uint64_t retired;
  std::string state;
  bool operator==(const Outcome&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Outcome& o) {
  return out << end_reason_name(o.reason) << " at " << o.at.value << " retired " << o.retired
             << " state " << o.state;
}

Outcome run(const Bytes& image, EngineKind engine, std::uint64_t slice_ticks_max,
            std::uint64_t seed) {
  GuestMachine machine({.engine = engine, .grid_ticks = 16384}, image);
  WaysWorld world({.slice_ticks_max = slice_ticks_max, .seed = seed, .stop = kStop});
  const RunResult result = machine.run(world);
  return {result.reason, result.at, machine.cpu().retired(), result.state.hex()};
}

TEST(RandomPrograms, RunTheSameOnBothEnginesAndInSlices) {
  std::uint64_t first = 1, seeds = 25;
  if (const char* chosen = std::getenv("FTVM_RANDOM_SEEDS")) {
    first = std::strtoull(chosen, nullptr, 10);
    const char* colon = std::strchr(chosen, ':');
    seeds = colon == nullptr ? 1 : std::strtoull(colon + 1, nullptr, 10);
  }
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    const Bytes image = image_for(seed);
    const Outcome plain = run(image, EngineKind::kAccelerated, 0, 0);
    for (const EngineKind engine : {EngineKind::kAccelerated, EngineKind::kPortable}) {
      for (const std::uint64_t slice : {0, 40, 2000}) {
        EXPECT_EQ(run(image, engine, slice, seed), plain)
            << "FTVM_RANDOM_SEEDS=" << seed << ", "
            << (engine == EngineKind::kPortable ? "portable" : "accelerated") << ", slices of "
            << slice;
      }
    }
    if (HasFailure()) break;
  }
}

}  // namespace
}  // namespace ftvm::test
