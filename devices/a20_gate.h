// The A20 gate of a PC, which several ports show and set. It is only remembered: addresses never
// wrap at 1 MiB, as on every PC that has enabled the gate.
#pragma once

namespace ftvm::devices {

struct A20Gate {
  bool enabled = true;
};

}  // namespace ftvm::devices
