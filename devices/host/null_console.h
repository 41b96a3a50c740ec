// No console: nothing is ever typed, and what the guest prints is dropped.
#pragma once

#include <utility>

#include "devices/host/console_endpoint.h"

namespace ftvm::devices::host {

class NullConsole final : public ConsoleEndpoint {
 public:
  std::size_t take_input(Bytes& out, std::size_t max) override {
    (void)out;
    (void)max;
    return 0;
  }
  void write(std::uint64_t offset, ByteView bytes) override {
    (void)offset;
    (void)bytes;
  }
  void set_wakeup(std::function<void()> wakeup) override { (void)wakeup; }
};

}  // namespace ftvm::devices::host
