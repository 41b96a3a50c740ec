// Facts of this host and these libraries that decide bytes: they go into the identity of a run.
#pragma once

#include <cstdint>
#include <string>

namespace ftvm::cli {

/// libunicorn's version, "2.1.4".
std::string engine_version();

/// Hash of what the host's libm makes of the functions that the engine takes from it for x87
/// instructions (FSIN, FCOS, FPTAN, FPATAN, F2XM1, FYL2X): glibc picks variants by processor, and
/// their last bits differ.
std::uint64_t libm_probe();

}  // namespace ftvm::cli
