// Raw mode of the user's terminal, given back whatever ends the process: a destructor, exit(), a
// signal or an abort.
//
// Source: termios(3), "Raw mode"; signal-safety(7).
#pragma once

namespace ftvm::devices::host {

/// While it lives, the terminal gives every key at once and echoes nothing. Output processing stays
/// on: a guest's line feed is a new line. Does nothing for a descriptor that is no terminal, or
/// when the process is in the background. One at a time in a process, because a signal handler has
/// to find it.
class TerminalMode {
 public:
  explicit TerminalMode(int fd);
  ~TerminalMode();
  TerminalMode(const TerminalMode&) = delete;
  TerminalMode& operator=(const TerminalMode&) = delete;

  /// Gives the terminal back at once, for a signal handler that is about to end the process.
  /// Threading: async-signal-safe.
  static void restore_now();

  /// True when the terminal was switched.
  [[nodiscard]] bool raw() const { return raw_; }

 private:
  bool raw_ = false;
};

}  // namespace ftvm::devices::host
