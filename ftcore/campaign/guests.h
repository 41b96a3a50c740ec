// The guests of a plan, by name: the toy, or the real machine with a flat image in it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/base/bytes.h"
#include "emulator/base/result.h"
#include "ftcore/sim/plant.h"
#include "ftcore/sim/sim_guest.h"

namespace ftvm::ftcore::campaign {

inline constexpr std::string_view kToyGuest = "toy";

class Guests {
 public:
  /// Reads the images. Errors: kNotFound, kBadData, kIo, with the path; kBadData for one that does
  /// not fit into the machine.
  static Result<Guests> load(const std::vector<std::string>& names);

  /// Precondition: `name` is one of those loaded. Lifetime: this outlives the guest.
  /// `plant`: of a backup's machine; the others leave it as it is.
  [[nodiscard]] std::unique_ptr<sim::SimGuest> make(const std::string& name, std::uint64_t seed,
                                                    sim::Plant plant) const;

 private:
  std::map<std::string, Bytes> images_;
};

}  // namespace ftvm::ftcore::campaign
