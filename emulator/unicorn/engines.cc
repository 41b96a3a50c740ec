// Choosing an engine.
#include <unicorn/unicorn.h>

#include "emulator/base/diag.h"
#include "emulator/unicorn/unicorn_cpu.h"

namespace ftvm {

Result<std::unique_ptr<Cpu>> make_cpu(CpuOptions options, GuestMemory& memory, CpuBus& bus) {
  if (options.engine == EngineKind::kPortable) return unicorn::make_portable(options, memory, bus);
  auto accelerated = unicorn::make_accelerated(options, memory, bus);
  if (accelerated || options.engine == EngineKind::kAccelerated) return accelerated;
  FTVM_DIAG(kInfo, "engine.portable").kv("why", accelerated.error().message());
  return unicorn::make_portable(options, memory, bus);
}

std::string library_version() {
  return unicorn::version_text(uc_version(nullptr, nullptr));
}

}  // namespace ftvm
