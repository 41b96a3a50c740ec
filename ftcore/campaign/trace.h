// What happens in a simulated run, moment by moment, as lines of JSON:
//
// {"us":53120,"side":"backup","moment":"message_came","number":17,"role":"backup","epoch":1,
//  "tick":48211}                                                             (one line in the file)
#pragma once

#include <string>

#include "ftcore/sim/cluster.h"

namespace ftvm::ftcore::campaign {

/// No line break in it.
std::string trace_line(const sim::Cluster::Passed& passed);

}  // namespace ftvm::ftcore::campaign
