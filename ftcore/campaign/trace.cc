#include "ftcore/campaign/trace.h"

#include <nlohmann/json.hpp>

#include "ftcore/protocol/role.h"
#include "ftcore/sim/event_queue.h"
#include "ftcore/sim/moment.h"
#include "ftcore/sim/side.h"

namespace ftvm::ftcore::campaign {

std::string trace_line(const sim::Cluster::Passed& passed) {
  return nlohmann::ordered_json{{"us", passed.at.ns / sim::kNsPerUs},
                                {"side", sim::side_name(passed.side)},
                                {"moment", sim::moment_name(passed.moment)},
                                {"number", passed.number},
                                {"role", role_name(passed.role)},
                                {"epoch", passed.epoch.value},
                                {"tick", passed.tick.value}}
      .dump();
}

}  // namespace ftvm::ftcore::campaign
