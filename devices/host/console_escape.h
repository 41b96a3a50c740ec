// The escape key of an interactive console, as in QEMU: Ctrl-A x quits, Ctrl-A Ctrl-A (or Ctrl-A a)
// types one Ctrl-A, Ctrl-A h asks for help; Ctrl-A and anything else types both.
#pragma once

#include "emulator/base/bytes.h"

namespace ftvm::devices::host {

/// Walks the typed bytes; a sequence may be split anywhere. Threading: one thread.
class ConsoleEscape {
 public:
  enum class Wish { kNone, kQuit, kHelp };

  /// Appends to `out` what is meant for the guest and says what else was asked for. What is typed
  /// after a kQuit is dropped.
  Wish filter(ByteView typed, Bytes& out);

  /// For the terminal, with its own line ends.
  static constexpr const char* kHelpText =
      "\r\nCtrl-A x  quit    Ctrl-A Ctrl-A  type Ctrl-A    Ctrl-A h  this help\r\n";

 private:
  bool after_escape_ = false;
};

}  // namespace ftvm::devices::host
