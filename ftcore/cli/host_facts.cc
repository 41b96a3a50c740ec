#include "ftcore/cli/host_facts.h"

#include <cmath>
#include <cstring>

#include "emulator/base/bytes.h"
#include "emulator/base/digest.h"
#include "emulator/cpu.h"

namespace ftvm::cli {

std::string engine_version() {
  return library_version();
}

std::uint64_t libm_probe() {
  Bytes bytes;
  ByteWriter writer(bytes);
  const auto put = [&writer](double value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    writer.put(bits);
  };
  constexpr int kSamples = 64;
  for (int i = 1; i <= kSamples; ++i) {
    // volatile: the compiler must not fold the calls with its own arithmetic.
    volatile double x = 0.0157 * i;
    put(std::sin(x));
    put(std::cos(x));
    put(std::tan(x));
    put(std::atan2(x, 1.25));
    put(std::pow(2.0, x));
    put(std::log2(x));
    put(std::log(x));
  }
  return short_digest_of(bytes);
}

}  // namespace ftvm::cli
