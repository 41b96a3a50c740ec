#include "ftcore/campaign/guests.h"

#include <utility>

#include "emulator/base/file.h"
#include "ftcore/campaign/flat_machine.h"
#include "ftcore/sim/toy_guest.h"

namespace ftvm::ftcore::campaign {
namespace {

constexpr std::size_t kImageBytesMax = std::size_t{32} << 20;
/// From where on a wrong toy is wrong: well inside the shortest run.
constexpr Tick kWrongFrom{20'000};

}  // namespace

Result<Guests> Guests::load(const std::vector<std::string>& names) {
  Guests guests;
  for (const std::string& name : names) {
    if (name == kToyGuest || guests.images_.contains(name)) continue;
    Bytes& image = guests.images_[name] = FTVM_TRY(read_file(name, kImageBytesMax));
    Status fits = check_flat_machine(image);
    if (!fits) return fits.error().context(name);
  }
  return guests;
}

std::unique_ptr<sim::SimGuest> Guests::make(const std::string& name, std::uint64_t seed,
                                            sim::Plant plant) const {
  if (name != kToyGuest) return flat_machine(images_.at(name), sim::bug_of_machine(plant));
  const bool wrong = plant == sim::Plant::kWrongReplica;
  return std::make_unique<sim::ToyGuest>(
      sim::ToyGuest::Options{.seed = seed, .wrong_from = wrong ? kWrongFrom : Tick::never()});
}

}  // namespace ftvm::ftcore::campaign
