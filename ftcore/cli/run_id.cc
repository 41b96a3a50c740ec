#include "ftcore/cli/run_id.h"

#include <sys/random.h>

#include "emulator/base/assert.h"

namespace ftvm::cli {

std::array<std::uint8_t, 16> random_run_id() {
  std::array<std::uint8_t, 16> id{};
  FTVM_ASSERT(getrandom(id.data(), id.size(), 0) == static_cast<ssize_t>(id.size()));
  return id;
}

}  // namespace ftvm::cli
