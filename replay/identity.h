// Whether a journal, a snapshot or a peer belongs to this machine, field by field.
#pragma once

#include "emulator/base/result.h"
#include "replay/record.h"

namespace ftvm::replay {

/// Errors: kMismatch, naming the first field that differs, and both values.
Status check_identity(const MachineIdentity& journal, const MachineIdentity& mine);

}  // namespace ftvm::replay
