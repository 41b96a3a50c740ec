#include "ftcore/sim/fault.h"

namespace ftvm::ftcore::sim {

std::string Fault::text() const {
  std::string text = std::string(fault_name(kind)) + " " + std::string(side_name(side)) + " at ";
  if (moment) {
    text += std::string(moment_name(*moment)) + " " + std::to_string(number);
  } else {
    text += std::to_string(after_us) + " us";
  }
  if (for_us != 0) text += " for " + std::to_string(for_us) + " us";
  return text;
}

}  // namespace ftvm::ftcore::sim
